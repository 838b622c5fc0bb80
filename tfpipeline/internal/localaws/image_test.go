package localaws

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

var fixedTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func manifest(layer int) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"size":10,"digest":"sha256:c"},"layers":[{"size":%d,"digest":"sha256:l"}]}`, layer)
}

func digestOf(manifest string) string {
	sum := sha256.Sum256([]byte(manifest))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func startECR(t *testing.T, mutability string) (*ecr.Client, *fakeControl) {
	control := newFakeControl(t, map[string]string{
		"ecr.DescribeRepositories": `{"repositories":[{"repositoryName":"r","imageTagMutability":"` + mutability + `"}]}`,
		"ecr.DeleteRepository":     `{"repository":{"repositoryName":"r"}}`,
	})
	return ecr.NewFromConfig(awsConfig(start(t, control, Options{}))), control
}

func put(client *ecr.Client, t *testing.T, manifest, tag string) (*ecr.PutImageOutput, error) {
	in := &ecr.PutImageInput{RepositoryName: aws.String("r"), ImageManifest: aws.String(manifest)}
	if tag != "" {
		in.ImageTag = aws.String(tag)
	}
	return client.PutImage(t.Context(), in)
}

// TestRetag is what a promotion does: the manifest by tag, put again under
// another one, is the same image.
func TestRetag(t *testing.T) {
	client, _ := startECR(t, "MUTABLE")
	first, err := put(client, t, manifest(1), "abc123")
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(first.Image.ImageId.ImageDigest); got != digestOf(manifest(1)) {
		t.Errorf("digest %s is not that of the manifest", got)
	}
	if _, err := put(client, t, manifest(2), "latest"); err != nil {
		t.Fatal(err)
	}
	got, err := client.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: aws.String("r"),
		ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("abc123")}, {ImageTag: aws.String("none")}, {}}})
	if err != nil || len(got.Images) != 1 || len(got.Failures) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound || got.Failures[1].FailureCode != types.ImageFailureCodeMissingDigestAndTag {
		t.Errorf("failures %+v", got.Failures)
	}
	if _, err := put(client, t, aws.ToString(got.Images[0].ImageManifest), "release-v1"); err != nil {
		t.Fatal(err)
	}
	_, err = put(client, t, manifest(1), "release-v1")
	wantCode(t, err, "ImageAlreadyExistsException")

	described, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("r"),
		ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("release-v1")}, {ImageDigest: aws.String(digestOf(manifest(1)))}}})
	if err != nil || len(described.ImageDetails) != 1 {
		t.Fatalf("%+v, %v", described, err)
	}
	d := described.ImageDetails[0]
	if !slices.Equal(d.ImageTags, []string{"abc123", "release-v1"}) || aws.ToInt64(d.ImageSizeInBytes) != 11 ||
		aws.ToString(d.ImageManifestMediaType) != "application/vnd.oci.image.manifest.v1+json" || time.Since(*d.ImagePushedAt) > time.Minute {
		t.Errorf("%+v", d)
	}
	_, err = client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("r"), ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("none")}}})
	wantCode(t, err, "ImageNotFoundException")
}

func TestMovedTag(t *testing.T) {
	client, _ := startECR(t, "MUTABLE")
	for i := range 3 {
		if _, err := put(client, t, manifest(i), "latest"); err != nil {
			t.Fatal(err)
		}
	}
	list, err := client.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: aws.String("r"), Filter: &types.ListImagesFilter{TagStatus: types.TagStatusUntagged}})
	if err != nil || len(list.ImageIds) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	var pages, found int
	p := ecr.NewDescribeImagesPaginator(client, &ecr.DescribeImagesInput{RepositoryName: aws.String("r"), MaxResults: aws.Int32(2)})
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages, found = pages+1, found+len(out.ImageDetails)
	}
	if pages != 2 || found != 3 {
		t.Errorf("%d images on %d pages", found, pages)
	}
}

func TestPutImageRefuses(t *testing.T) {
	client, control := startECR(t, "IMMUTABLE")
	if _, err := put(client, t, manifest(1), "v1"); err != nil {
		t.Fatal(err)
	}
	_, err := put(client, t, manifest(2), "v1")
	wantCode(t, err, "ImageTagAlreadyExistsException")
	_, err = put(client, t, manifest(1), "")
	wantCode(t, err, "ImageAlreadyExistsException")
	_, err = client.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("r"), ImageManifest: aws.String(manifest(3)), ImageDigest: aws.String("sha256:0")})
	wantCode(t, err, "ImageDigestDoesNotMatchException")
	_, err = put(client, t, `{"manifests":[{"digest":"sha256:unknown"}]}`, "index")
	wantCode(t, err, "ReferencedImagesNotFoundException")
	_, err = put(client, t, `no json`, "x")
	wantCode(t, err, "InvalidParameterException")

	control.status["ecr.DescribeRepositories"] = 400
	control.answers["ecr.DescribeRepositories"] = `{"__type":"RepositoryNotFoundException","message":"The repository with name 'r' does not exist"}`
	_, err = put(client, t, manifest(9), "x")
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestDeleteImages(t *testing.T) {
	client, _ := startECR(t, "MUTABLE")
	index := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":%q}]}`, digestOf(manifest(1)))
	for _, image := range []struct{ manifest, tag string }{{manifest(1), "a"}, {manifest(1), "b"}, {index, "i"}} {
		if _, err := put(client, t, image.manifest, image.tag); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(ids ...types.ImageIdentifier) *ecr.BatchDeleteImageOutput {
		t.Helper()
		out, err := client.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: aws.String("r"), ImageIds: ids})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := remove(types.ImageIdentifier{ImageTag: aws.String("a")}); len(out.ImageIds) != 1 {
		t.Errorf("one tag of two: %+v", out)
	}
	out := remove(types.ImageIdentifier{ImageDigest: aws.String(digestOf(manifest(1)))}, types.ImageIdentifier{ImageTag: aws.String("a")})
	if len(out.Failures) != 2 || out.Failures[0].FailureCode != types.ImageFailureCodeImageReferencedByManifestList || out.Failures[1].FailureCode != types.ImageFailureCodeImageNotFound {
		t.Errorf("%+v", out)
	}
	_, err := client.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("r")})
	wantCode(t, err, "RepositoryNotEmptyException")
	if out := remove(types.ImageIdentifier{ImageTag: aws.String("i")}, types.ImageIdentifier{ImageTag: aws.String("b")}); len(out.ImageIds) != 2 {
		t.Errorf("%+v", out)
	}
	if _, err := client.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("r")}); err != nil {
		t.Error(err)
	}
}

func TestImageDigest(t *testing.T) {
	control := newFakeControl(t, map[string]string{
		"ecr.DescribeRepositories": `{"repositories":[{"repositoryName":"doc/api","imageTagMutability":"MUTABLE"}]}`,
	})
	e := start(t, control, Options{})
	client := ecr.NewFromConfig(awsConfig(e))
	for _, tag := range []string{"latest", "abc"} {
		if _, err := client.PutImage(t.Context(), &ecr.PutImageInput{
			RepositoryName: aws.String("doc/api"), ImageManifest: aws.String(manifest(1)), ImageTag: aws.String(tag)}); err != nil {
			t.Fatal(err)
		}
	}
	const registry = "123456789012.dkr.ecr.us-west-2.amazonaws.com/"
	for reference, known := range map[string]bool{
		registry + "doc/api":                                     true,
		registry + "doc/api:abc":                                 true,
		registry + "doc/api@" + digestOf(manifest(1)):            true,
		registry + "doc/api:moved@" + digestOf(manifest(1)):      true,
		registry + "doc/api:none":                                false,
		registry + "doc/api@sha256:0":                            false,
		"210987654321.dkr.ecr.us-west-2.amazonaws.com/doc/api":   false,
		"123456789012.dkr.ecr.us-west-2.amazonaws.com.evil/doc/": false,
	} {
		got, err := e.ImageDigest(t.Context(), reference)
		if known && (err != nil || got != digestOf(manifest(1))) {
			t.Errorf("%s: %s, %v", reference, got, err)
		}
		if !known && (err == nil || !strings.HasPrefix(err.Error(), "CannotPullContainerError: ")) {
			t.Errorf("%s: %s, %v: wants what ECS says", reference, got, err)
		}
	}
	public := "public.ecr.aws/otel@" + digestOf(manifest(2)) // of no registry of the account's
	if got, err := e.ImageDigest(t.Context(), public); err != nil || got != digestOf(manifest(2)) {
		t.Errorf("%s: %s, %v", public, got, err)
	}
	control.status["ecr.DescribeRepositories"] = 400
	control.answers["ecr.DescribeRepositories"] = `{"__type":"RepositoryNotFoundException","message":"none"}`
	if _, err := e.ImageDigest(t.Context(), registry+"doc/none:abc"); err == nil || !strings.Contains(err.Error(), "RepositoryNotFoundException") {
		t.Errorf("error %v", err)
	}
}

// TestLifecycle is decision 4 of the design: releases outlive the pushes after
// them.
func TestLifecycle(t *testing.T) {
	const keepReleasesAndOthers = `{"rules":[
		{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["release-"],"countType":"imageCountMoreThan","countNumber":2}},
		{"rulePriority":2,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":3}}]}`
	tests := []struct {
		name, policy string
		tags         []string // one image each, oldest first, an hour apart
		want         []int
	}{
		{"others beyond the number go", keepReleasesAndOthers, []string{"a", "b", "c", "d", "e"}, []int{0, 1}},
		{"an old release stays", keepReleasesAndOthers, []string{"release-1", "b", "c", "d", "e"}, []int{1}},
		{"releases beyond their number go", keepReleasesAndOthers, []string{"release-1", "release-2", "release-3"}, []int{0}},
		{"releases count among any", keepReleasesAndOthers, []string{"a", "b", "release-1", "release-2"}, []int{0}},
		{"untagged by age", `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":1}}]}`,
			append([]string{"", "tagged"}, slices.Repeat([]string{"x"}, 25)...), []int{0}},
		{"by pattern", `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPatternList":["*-rc"],"countType":"imageCountMoreThan","countNumber":1}}]}`,
			[]string{"1-rc", "1", "2-rc"}, []int{0}},
		{"no policy", "", []string{"a", "b"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			control := newFakeControl(t, map[string]string{"ecr.GetLifecyclePolicy": fmt.Sprintf(`{"lifecyclePolicyText":%q}`, tt.policy)})
			if tt.policy == "" {
				control.status["ecr.GetLifecyclePolicy"] = 400
				control.answers["ecr.GetLifecyclePolicy"] = `{"__type":"LifecyclePolicyNotFoundException","message":"none"}`
			}
			e := start(t, control, Options{})
			key := repositoryKey{"us-west-2", "r"}
			for i, tag := range tt.tags {
				img := &image{digest: fmt.Sprint(i), pushed: fixedTime.Add(time.Duration(i) * time.Hour)}
				if tag != "" {
					img.tags = []string{tag}
				}
				e.images.repositories[key] = append(e.images.repositories[key], img)
			}
			e.images.now = func() time.Time { return fixedTime.Add(time.Duration(len(tt.tags)) * time.Hour) }
			got, err := e.ExpireImages(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, i := range tt.want {
				want = append(want, fmt.Sprintf("r@%d", i))
			}
			if !slices.Equal(got, want) {
				t.Errorf("expired %v, want %v", got, want)
			}
			if left := len(e.images.repositories[key]); left != len(tt.tags)-len(want) {
				t.Errorf("%d images left of %d", left, len(tt.tags))
			}
		})
	}
}
