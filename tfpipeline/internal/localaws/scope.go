package localaws

import (
	"net"
	"net/http"
	"strings"
)

// scope returns the service and region that a request was signed for:
//
//	Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
//
// or the same in the query of a presigned URL. Multi-region signatures
// (AWS4-ECDSA-P256-SHA256) name no region. Signatures are not verified.
func scope(r *http.Request) (service, region string) {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(after, ",")
	}
	parts := strings.Split(strings.TrimSpace(credential), "/")
	n := len(parts)
	if n < 4 || parts[n-1] != "aws4_request" {
		return "", ""
	}
	service = strings.ToLower(parts[n-2])
	if n >= 5 {
		region = parts[n-3]
	}
	if service == "s3express" || service == "s3-object-lambda" {
		service = "s3"
	}
	return service, region
}

// serviceOfTarget has the prefixes of X-Amz-Target and whose they are.
var serviceOfTarget = map[string]string{
	"AmazonEC2ContainerServiceV20141113":   "ecs",
	"AmazonEC2ContainerRegistry_V20150921": "ecr",
	"AnyScaleFrontendService":              "application-autoscaling",
	"CertificateManager":                   "acm",
	"DynamoDB_20120810":                    "dynamodb",
	"Logs_20140328":                        "logs",
	"AmazonSSM":                            "ssm",
	"Route53AutoNaming_v20170314":          "servicediscovery",
	"TrentService":                         "kms",
	"secretsmanager":                       "secretsmanager",
}

// unsignedService guesses the service of a request without a signature from
// its target header or the host that it was sent to.
func unsignedService(r *http.Request) string {
	if prefix, _, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return serviceOfTarget[prefix]
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !strings.HasSuffix(host, ".amazonaws.com") {
		return ""
	}
	labels := strings.Split(strings.TrimSuffix(host, ".amazonaws.com"), ".")
	switch {
	case labels[0] == "api" && len(labels) > 1:
		return labels[1]
	case strings.Contains(host, ".s3.") || strings.HasPrefix(host, "s3"):
		return "s3"
	}
	return labels[0]
}
