package endpoint

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReadCall(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name, method, url, body                string
		header                                 map[string]string
		wantService, wantRegion, wantOperation string
	}{
		{
			name: "signed, Query protocol", method: "POST", url: "http://127.0.0.1:1/", body: "Action=DescribeVpcs&Version=2016-11-15",
			header:      map[string]string{"Content-Type": form, "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=abc"},
			wantService: "ec2", wantRegion: "eu-west-1", wantOperation: "DescribeVpcs",
		},
		{
			name: "signed without spaces, JSON protocol", method: "POST", url: "http://127.0.0.1:1/", body: "{}",
			header:      map[string]string{"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.RunTask", "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-west-2/ecs/aws4_request,SignedHeaders=host,Signature=abc"},
			wantService: "ecs", wantRegion: "us-west-2", wantOperation: "RunTask",
		},
		{
			name: "signed for many regions", method: "PUT", url: "http://127.0.0.1:1/bucket/key", body: "x",
			header:      map[string]string{"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=AKIA/20260101/s3/aws4_request, SignedHeaders=host, Signature=abc"},
			wantService: "s3", wantRegion: "us-west-2",
		},
		{
			name: "presigned", method: "GET", url: "http://127.0.0.1:1/bucket/key?X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fs3%2Faws4_request",
			wantService: "s3", wantRegion: "eu-west-1",
		},
		{
			name: "presigned, Query protocol", method: "GET", url: "http://127.0.0.1:1/?Action=GetCallerIdentity&X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fsts%2Faws4_request",
			wantService: "sts", wantRegion: "eu-west-1", wantOperation: "GetCallerIdentity",
		},
		{
			name: "anonymous, by target", method: "POST", url: "http://127.0.0.1:1/", body: "{}",
			header:      map[string]string{"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage"},
			wantService: "ecr", wantRegion: "us-west-2", wantOperation: "PutImage",
		},
		{
			name: "anonymous, by host", method: "POST", url: "http://api.ecr.us-west-2.amazonaws.com/", body: "",
			wantService: "ecr", wantRegion: "us-west-2",
		},
		{
			name: "anonymous, bucket in the host", method: "GET", url: "http://bucket.s3.us-west-2.amazonaws.com/key",
			wantService: "s3", wantRegion: "us-west-2",
		},
		{
			name: "anonymous, web identity", method: "POST", url: "http://127.0.0.1:1/", body: "Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
			header:      map[string]string{"Content-Type": form},
			wantService: "sts", wantRegion: "us-west-2", wantOperation: "AssumeRoleWithWebIdentity",
		},
		{
			name: "anonymous object", method: "GET", url: "http://127.0.0.1:1/bucket/key",
			wantService: "s3", wantRegion: "us-west-2",
		},
		{
			name: "Smithy RPC", method: "POST", url: "http://127.0.0.1:1/service/GraniteServiceVersion20100801/operation/PutMetricAlarm", body: "\xa0",
			header:      map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-west-2/monitoring/aws4_request, SignedHeaders=host, Signature=abc"},
			wantService: "monitoring", wantRegion: "us-west-2", wantOperation: "PutMetricAlarm",
		},
		{
			name: "broken credential", method: "GET", url: "http://127.0.0.1:1/bucket",
			header:      map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, Signature=abc"},
			wantService: "s3", wantRegion: "us-west-2",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			c, err := Read(r, "us-west-2")
			if err != nil {
				t.Fatal(err)
			}
			if c.Service != tt.wantService || c.Region != tt.wantRegion || c.Operation != tt.wantOperation {
				t.Errorf("got %s %s %s, want %s %s %s", c.Service, c.Region, c.Operation, tt.wantService, tt.wantRegion, tt.wantOperation)
			}
		})
	}
}

func TestReadCallBoundsTheBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:1/", strings.NewReader(strings.Repeat("x", MaxBody+1)))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-west-2/ecr/aws4_request, SignedHeaders=host, Signature=abc")
	if _, err := Read(r, "us-west-2"); err == nil {
		t.Error("a body beyond the bound was read")
	}
}
