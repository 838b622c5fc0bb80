//go:build race

package render

// randomPlatforms is how many random platforms are tried. The race detector
// looks at how rendering shares its work, which is the same for all of them,
// and takes six times as long.
const randomPlatforms = 6
