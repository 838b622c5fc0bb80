// Package tree keeps a folder on disk equal to a set of generated files, and
// leaves every other file in it alone.
package tree
