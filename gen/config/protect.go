package config

// DataType is a Terraform resource type whose destruction or replacement loses
// what no apply can bring back.
type DataType struct {
	// Type is Terraform's, such as "aws_db_instance".
	Type string
	// Holds says what would be lost, as the end of a sentence.
	Holds string
}

// DataTypes lists what the guard keeps in a protected root.
func DataTypes() []DataType {
	return []DataType{
		{"aws_db_instance", "the database"},
		{"aws_elasticache_replication_group", "the sessions and caches of every user"},
		{"aws_secretsmanager_secret", "a secret and its earlier versions"},
		{"aws_sqs_queue", "the messages that nobody has handled yet"},
		{"aws_s3_bucket", "every object in the bucket"},
		{"aws_kms_key", "the key, and so everything encrypted with it"},
		{"aws_ecr_repository", "the images that services run and rollbacks need"},
		{"aws_route53_zone", "the zone and the delegation of its domain"},
	}
}

// Protects reports whether the guard keeps the data of a root: shared always,
// an environment if it is Protected.
func (p Platform) Protects(root string) bool {
	if root == SharedRoot {
		return true
	}
	e, ok := p.Environment(root)
	return ok && e.Protected
}
