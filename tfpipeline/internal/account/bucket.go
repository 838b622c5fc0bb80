package account

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// bucket is the state bucket: Terraform's states, the history, the locks. It
// is made through the SDK, since Terraform needs it before it can make
// anything.
type bucket struct {
	client  *s3.Client
	name    string
	account string
	region  string
	rules   []types.LifecycleRule
}

// setting is one property of the bucket. If right reports false, set corrects
// it.
type setting struct {
	name  string
	right func(context.Context) (bool, error)
	set   func(context.Context) error
}

// EnsureBucket creates the state bucket if there is none, and corrects the
// settings that differ. It tells the console what it does, and reports whether
// it did anything.
func (a *Account) EnsureBucket(ctx context.Context) (changed bool, err error) {
	a.console.Progress("state bucket %s", a.platform.StateBucket())
	b := bucket{
		client: s3.NewFromConfig(a.cfg), name: a.platform.StateBucket(),
		account: a.platform.Account, region: a.platform.Region, rules: lifecycle(a.platform),
	}
	done, err := b.ensure(ctx)
	for _, d := range done {
		a.console.Progress("state bucket: %s", d)
	}
	return len(done) > 0, err
}

// ensure does the work of EnsureBucket and returns what it did, in words.
func (b bucket) ensure(ctx context.Context) (did []string, err error) {
	_, err = b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name, ExpectedBucketOwner: &b.account})
	switch code := state.Code(err); {
	case err == nil:
	case code == "NotFound" || code == "NoSuchBucket":
		if err := b.create(ctx); err != nil {
			return nil, err
		}
		did = append(did, "created "+b.name)
	case state.Denied(err):
		return nil, fmt.Errorf("look at the state bucket %s: it belongs to another account, or these credentials may not see it: %w", b.name, err)
	default:
		return nil, fmt.Errorf("look at the state bucket %s: %w", b.name, err)
	}
	for _, s := range b.settings() {
		right, err := s.right(ctx)
		if err != nil {
			return did, fmt.Errorf("read the %s of bucket %s: %w", s.name, b.name, err)
		}
		if right {
			continue
		}
		if err := s.set(ctx); err != nil {
			return did, fmt.Errorf("set the %s of bucket %s: %w", s.name, b.name, err)
		}
		did = append(did, "set its "+s.name)
	}
	return did, nil
}

func (b bucket) create(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: &b.name}
	if b.region != "us-east-1" { // the only region that is never named as a location
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(b.region)}
	}
	_, err := b.client.CreateBucket(ctx, in)
	switch code := state.Code(err); {
	case err == nil, code == "BucketAlreadyOwnedByYou": // another bootstrap was faster
		return nil
	case code == "BucketAlreadyExists":
		return console.WithNext(fmt.Errorf("create the state bucket: the name %s is taken by somebody else, and bucket names are global", b.name),
			"change Name in gen/config/default.go, make gen")
	default:
		return fmt.Errorf("create the state bucket %s: %w", b.name, err)
	}
}

func (b bucket) settings() []setting {
	return []setting{
		{"versioning", func(ctx context.Context) (bool, error) {
			out, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.name})
			return err == nil && out.Status == types.BucketVersioningStatusEnabled, err
		}, func(ctx context.Context) error {
			_, err := b.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
				Bucket:                  &b.name,
				VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
			})
			return err
		}},
		{"encryption", func(ctx context.Context) (bool, error) {
			out, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.name})
			if state.Code(err) == "ServerSideEncryptionConfigurationNotFoundError" {
				return false, nil
			}
			// Encryption with a KMS key of the account is fine, too.
			return err == nil && slices.ContainsFunc(out.ServerSideEncryptionConfiguration.Rules, func(r types.ServerSideEncryptionRule) bool {
				return r.ApplyServerSideEncryptionByDefault != nil
			}), err
		}, func(ctx context.Context) error {
			_, err := b.client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: &b.name,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
					ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
				}}},
			})
			return err
		}},
		{"public access block", func(ctx context.Context) (bool, error) {
			out, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.name})
			if state.Code(err) == "NoSuchPublicAccessBlockConfiguration" {
				return false, nil
			}
			return err == nil && reflect.DeepEqual(out.PublicAccessBlockConfiguration, allBlocked()), err
		}, func(ctx context.Context) error {
			_, err := b.client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &b.name, PublicAccessBlockConfiguration: allBlocked()})
			return err
		}},
		{"TLS-only policy", func(ctx context.Context) (bool, error) {
			out, err := b.client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b.name})
			if state.Code(err) == "NoSuchBucketPolicy" {
				return false, nil
			}
			return err == nil && sameJSON(aws.ToString(out.Policy), b.policy()), err
		}, func(ctx context.Context) error {
			_, err := b.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b.name, Policy: aws.String(b.policy())})
			return err
		}},
		{"lifecycle", func(ctx context.Context) (bool, error) {
			out, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.name})
			if state.Code(err) == "NoSuchLifecycleConfiguration" {
				return false, nil
			}
			return err == nil && sameRules(out.Rules, b.rules), err
		}, func(ctx context.Context) error {
			_, err := b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: &b.name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: b.rules},
			})
			return err
		}},
	}
}

func allBlocked() *types.PublicAccessBlockConfiguration {
	return &types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
		IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
	}
}

// policy refuses requests without TLS.
func (b bucket) policy() string {
	arn := "arn:aws:s3:::" + b.name
	document, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []any{map[string]any{
			"Sid": "TLSOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
			"Resource":  []any{arn, arn + "/*"},
			"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
		}},
	})
	if err != nil {
		panic(err) // strings and lists only
	}
	return string(document)
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// lifecycle removes old versions of locks: every plan and promotion leaves
// one. All versions of states and of the history are kept.
func lifecycle(p config.Platform) []types.LifecycleRule {
	rule := func(id, prefix string) types.LifecycleRule {
		return types.LifecycleRule{
			ID: aws.String(id), Status: types.ExpirationStatusEnabled,
			Filter:                      &types.LifecycleRuleFilter{Prefix: aws.String(prefix)},
			NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1)},
			Expiration:                  &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)},
		}
	}
	rules := []types.LifecycleRule{rule("old-locks", "locks/")}
	for _, r := range p.Roots() {
		rules = append(rules, rule("old-state-locks-"+r, p.StateLockKey(r)))
	}
	return rules
}

// sameRules reports whether two lists have the same rules, in any order.
func sameRules(a, b []types.LifecycleRule) bool {
	type facts struct {
		status, prefix string
		days           int32
		marker         bool
	}
	index := func(rules []types.LifecycleRule) map[string]facts {
		out := map[string]facts{}
		for _, r := range rules {
			f := facts{status: string(r.Status)}
			if r.Filter != nil {
				f.prefix = aws.ToString(r.Filter.Prefix)
			}
			if r.NoncurrentVersionExpiration != nil {
				f.days = aws.ToInt32(r.NoncurrentVersionExpiration.NoncurrentDays)
			}
			if r.Expiration != nil {
				f.marker = aws.ToBool(r.Expiration.ExpiredObjectDeleteMarker)
			}
			out[aws.ToString(r.ID)] = f
		}
		return out
	}
	return reflect.DeepEqual(index(a), index(b))
}
