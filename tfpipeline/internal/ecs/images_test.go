package ecs_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// registry is ECR with the images that a test pushes.
type registry struct {
	manifests map[string]string // by repository@digest
	tags      map[string]string // digest by repository:tag
}

func newRegistry(w *wire) *registry {
	r := &registry{map[string]string{}, map[string]string{}}
	w.on("BatchGetImage", r.get)
	w.on("DescribeImages", r.describe)
	w.on("PutImage", r.put)
	return r
}

// push gives the digest of what it stored.
func (r *registry) push(repository, content string, tags ...string) string {
	manifest := `{"config":"` + content + `"}`
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest)))
	r.manifests[repository+"@"+digest] = manifest
	for _, tag := range tags {
		r.tags[repository+":"+tag] = digest
	}
	return digest
}

func (r *registry) get(in members) (int, any) {
	repository := in["repositoryName"].(string)
	if repository == "doc-platform/none" {
		return refusal("RepositoryNotFoundException", "The repository with name 'doc-platform/none' does not exist")
	}
	id := in["imageIds"].([]any)[0].(members)
	digest, _ := id["imageDigest"].(string)
	if tag, ok := id["imageTag"].(string); ok {
		digest = r.tags[repository+":"+tag]
	}
	manifest, ok := r.manifests[repository+"@"+digest]
	switch {
	case digest == "archived":
		return http.StatusOK, members{"images": []any{}, "failures": []any{members{"imageId": id, "failureCode": "ImageInaccessible", "failureReason": "the image is archived"}}}
	case !ok:
		return http.StatusOK, members{"images": []any{}, "failures": []any{members{"imageId": id, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}}}
	}
	return http.StatusOK, members{"failures": []any{}, "images": []any{members{
		"repositoryName": repository, "imageId": members{"imageDigest": digest}, "imageManifest": manifest,
		"imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
	}}}
}

func (r *registry) describe(in members) (int, any) {
	status, out := r.get(in)
	answer, _ := out.(members)
	images, _ := answer["images"].([]any)
	switch id := in["imageIds"].([]any)[0].(members); {
	case status != http.StatusOK:
		return status, out
	case id["imageDigest"] == "archived":
		return status, members{"imageDetails": []any{members{"imageDigest": "archived", "imageStatus": "ARCHIVED"}}}
	case len(images) == 0:
		return refusal("ImageNotFoundException", "The image does not exist within the repository")
	}
	return status, members{"imageDetails": []any{images[0].(members)["imageId"]}}
}

func (r *registry) put(in members) (int, any) {
	repository, tag, manifest := in["repositoryName"].(string), in["imageTag"].(string), in["imageManifest"].(string)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest)))
	switch {
	case in["imageDigest"] != digest:
		return refusal("ImageDigestDoesNotMatchException", "another digest")
	case r.tags[repository+":"+tag] == digest:
		return refusal("ImageAlreadyExistsException", "Image with digest '"+digest+"' and tag '"+tag+"' already exists")
	}
	r.tags[repository+":"+tag] = digest
	return http.StatusOK, members{"image": members{}}
}

func TestDigestsOfATag(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		r := newRegistry(w.wire)
		want := map[string]string{
			"api":      r.push("doc-platform/api", "api of abc", "abc", "latest"),
			"frontend": r.push("doc-platform/frontend", "frontend of abc", "abc"),
		}
		r.push("doc-platform/mcp", "mcp of an older commit", "latest")
		got := ok(w.env.Digests(w.ctx, "abc", []string{"api", "frontend", "mcp"}))(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("digests (- want, + got):\n%s", diff)
		}
		requests := []string{}
		for _, s := range []string{"api", "frontend", "mcp"} {
			requests = append(requests, `DescribeImages {"imageIds":[{"imageTag":"abc"}],"registryId":"123456789012","repositoryName":"doc-platform/`+s+`"}`)
		}
		if diff := cmp.Diff(requests, w.wire.made()); diff != "" {
			t.Errorf("requests (- want, + got):\n%s", diff)
		}
		if _, err := w.env.Digests(w.ctx, "abc", []string{"api", "none"}); err == nil || deploy.IsTransient(err) ||
			!strings.Contains(err.Error(), "look up image doc-platform/none:abc, whose repository tfpipeline apply -env shared has yet to create: ECR DescribeImages: RepositoryNotFoundException") {
			t.Errorf("without a repository: %v", err)
		}
	})
}

func TestMissingImages(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		r := newRegistry(w.wire)
		images := map[string]string{
			"api": w.platform.RepositoryURL("api") + "@" + r.push("doc-platform/api", "api"), "frontend": w.platform.RepositoryURL("frontend") + "@sha256:gone",
			// No services of the platform any more: one ran the image of another one, of
			// one the repository was removed with it.
			"copy": w.platform.RepositoryURL("mcp") + "@sha256:gone", "removed": w.platform.RepositoryURL("none") + "@sha256:gone",
			"public": "public.ecr.aws/nginx/nginx@sha256:gone", "unborn": w.platform.RepositoryURL("mcp") + ":template", "unknown": "",
		}
		got := ok(w.env.Missing(w.ctx, images))(t)
		if diff := cmp.Diff([]string{"copy", "frontend", "removed"}, got); diff != "" {
			t.Errorf("missing (- want, + got):\n%s", diff)
		}
		// What cannot be pulled for another reason is not called missing.
		if _, err := w.env.Missing(w.ctx, map[string]string{"api": w.platform.RepositoryURL("api") + "@archived"}); err == nil ||
			!strings.Contains(err.Error(), "look up image doc-platform/api@archived: nobody can pull it: ECR calls it ARCHIVED") {
			t.Errorf("archived: %v", err)
		}
	})
}

// The manifest that is tagged is the stored one, byte by byte: its digest is
// that of the release.
func TestTagImagesWithoutRebuild(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		r := newRegistry(w.wire)
		digests := map[string]string{}
		for _, s := range w.services {
			digests[s] = r.push("doc-platform/"+s, s+" of abc", "abc")
		}
		r.push("doc-platform/api", "api of def", "abc") // the tag has moved since
		for range 2 {                                   // the second time they have it
			if err := w.env.Tag(w.ctx, digests, "release-v1.4.0"); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range w.services {
			if got := r.tags["doc-platform/"+s+":release-v1.4.0"]; got != digests[s] {
				t.Errorf("%s: release-v1.4.0 is %s, want %s", s, got, digests[s])
			}
		}
		if err := w.env.Tag(w.ctx, map[string]string{"api": "sha256:gone"}, "release-v1.4.0"); err == nil || !strings.Contains(err.Error(), "doc-platform/api@sha256:gone") {
			t.Errorf("gone: %v", err)
		}
	})
}
