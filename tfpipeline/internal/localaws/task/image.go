package task

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Image stands for a container image on a laptop: not layers, but a folder of
// programs and a command line. The image's manifest contains it, so that the
// digest covers it, and so that anybody who can push to the registry can give
// it to tasks.
type Image struct {
	// Folder is the working directory; programs are looked for in it and in
	// its bin. "" stands for an empty folder.
	Folder string `json:"folder,omitempty"`
	// Entrypoint and Command are what runs if the container definition says
	// nothing else: https://docs.docker.com/reference/dockerfile/#understand-how-cmd-and-entrypoint-interact
	Entrypoint []string `json:"entrypoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	// Environ is NAME=value.
	Environ []string `json:"environ,omitempty"`
	// standIn: the image is not on this machine, and a stand-in runs in its place.
	standIn bool
}

// StandIn is run in place of an image of a public registry: it does nothing, whatever
// its command, and is healthy until it is stopped.
func StandIn() Image { return Image{standIn: true} }

// Annotation is the key under which a manifest holds an Image as JSON.
const Annotation = "local.image"

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// manifest has those fields of an OCI image manifest that are needed here:
// https://github.com/opencontainers/image-spec/blob/main/manifest.md
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// Manifest returns an image's manifest; equal images have equal manifests.
func (i Image) Manifest() (string, error) {
	content, err := json.Marshal(i)
	if err != nil {
		return "", fmt.Errorf("write an image manifest: %w", err)
	}
	sum := sha256.Sum256(content)
	text, err := json.Marshal(manifest{
		SchemaVersion: 2, MediaType: manifestType, Layers: []descriptor{},
		Config:      descriptor{"application/vnd.oci.image.config.v1+json", "sha256:" + hex.EncodeToString(sum[:]), len(content)},
		Annotations: map[string]string{Annotation: string(content)},
	})
	if err != nil {
		return "", fmt.Errorf("write an image manifest: %w", err)
	}
	return string(text), nil
}

// ParseManifest reads an image from its manifest.
func ParseManifest(text string) (Image, error) {
	var m manifest
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Image{}, fmt.Errorf("read an image manifest: %w", err)
	}
	content, ok := m.Annotations[Annotation]
	if !ok {
		return Image{}, fmt.Errorf("the manifest has no annotation %q, which says what to run; layers are not stored locally", Annotation)
	}
	var i Image
	if err := json.Unmarshal([]byte(content), &i); err != nil {
		return Image{}, fmt.Errorf("read the annotation %q of an image manifest: %w", Annotation, err)
	}
	return i, nil
}

// commandLine is the command line of a container. As with Docker, an entry
// point in the definition disables the image's command, and a command in the
// definition replaces it.
func (i Image) commandLine(entrypoint, command []string) ([]string, error) {
	if i.standIn {
		return []string{"/bin/sh", "-c", `trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done`}, nil
	}
	if len(entrypoint) == 0 {
		entrypoint = i.Entrypoint
		if len(command) == 0 {
			command = i.Command
		}
	}
	line := slices.Concat(entrypoint, command)
	if len(line) == 0 {
		return nil, fmt.Errorf("CannotStartContainerError: no command specified")
	}
	program, err := i.find(line[0])
	if err != nil {
		return nil, err
	}
	line[0] = program
	return line, nil
}

// find looks for a program in the image.
func (i Image) find(name string) (string, error) {
	places := []string{filepath.Join(i.Folder, name), filepath.Join(i.Folder, "bin", name), filepath.Join("/usr/bin", name), filepath.Join("/bin", name)}
	switch {
	case filepath.IsAbs(name):
		places = []string{filepath.Join(i.Folder, name), name}
	case strings.Contains(name, "/"):
		places = places[:1]
	case i.Folder == "":
		places = places[2:]
	}
	for _, path := range places {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("CannotStartContainerError: failed to create task for container: exec: %q: executable file not found in $PATH", name)
}
