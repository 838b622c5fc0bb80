package config

import (
	"slices"
	"strings"
)

// bucketPart is what a bucket's 63 characters leave for its own name, besides the
// environment's and the account.
const bucketPart = 63 - LoadBalancerName - len("--123456789012")

// BucketVariable is the environment variable in which containers find a bucket's
// name: "UPLOADS_BUCKET".
func BucketVariable(bucket string) string {
	return strings.ToUpper(strings.ReplaceAll(bucket, "-", "_")) + "_BUCKET"
}

// buckets checks every bucket, and that somebody uses it.
func (c *checker) buckets() {
	used := firsts(c.Buckets, func(b Bucket) string { return b.Name })
	for i, b := range c.Buckets {
		path := element("buckets", i, b.Name, used)
		if c.name(path+".name", b.Name, "uploads") && c.must(used[b.Name] == i, path+".name", b.Name, "is declared twice", b.Name+"-2") {
			c.must(b.Name != "logs", path+".name", b.Name, "is the bucket of an environment's access logs and flow logs", "uploads")
			c.must(len(b.Name) <= bucketPart, path+".name", b.Name,
				"has "+plural(len(b.Name), "character")+", where a bucket's name leaves "+show(bucketPart), shorten(b.Name, bucketPart))
		}
		uses := slices.ContainsFunc(c.Services, func(s Service) bool { return slices.Contains(s.Buckets, b.Name) }) ||
			slices.ContainsFunc(c.Tasks, func(t Task) bool { return slices.Contains(t.Buckets, b.Name) })
		c.must(uses || b.Name == "", path, nil, "is used by no service and no task", literal("Buckets: []string{"+show(b.Name)+"}"))
	}
}
