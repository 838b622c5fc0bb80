//go:build !race

package render

// randomPlatforms is how many random platforms are tried.
const randomPlatforms = 40
