package config

import "strings"

// reservedWord reports whether PostgreSQL or RDS keeps a word to itself, so
// that no database or user can have it for a name.
func reservedWord(s string) bool {
	_, ok := reservedWords()[s]
	return ok
}

// reservedWords are PostgreSQL's reserved key words, and the databases and
// users that RDS makes for itself.
func reservedWords() map[string]struct{} {
	const words = `
		all analyse analyze and any array as asc asymmetric authorization
		between binary both case cast check collate collation column
		concurrently constraint create cross current_catalog current_date
		current_role current_schema current_time current_timestamp
		current_user default deferrable desc distinct do else end except
		false fetch for foreign freeze from full grant group having ilike in
		initially inner intersect into is isnull join lateral leading left
		like limit localtime localtimestamp natural not notnull null offset
		on only or order outer overlaps placing primary references returning
		right select session_user similar some symmetric system_user table
		tablesample then to trailing true union unique user using variadic
		verbose when where window with
		admin db postgres public rdsadmin rdsrepladmin template0 template1`
	m := map[string]struct{}{}
	for w := range strings.FieldsSeq(words) {
		m[w] = struct{}{}
	}
	return m
}
