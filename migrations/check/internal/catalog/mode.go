package catalog

// Mode is a table lock's, weakest first, as PostgreSQL numbers them.
type Mode int

const (
	AccessShare Mode = iota + 1
	RowShare
	RowExclusive
	ShareUpdateExclusive
	Share
	ShareRowExclusive
	Exclusive
	AccessExclusive
)

var modes = [...]struct{ sql, internal string }{
	AccessShare: {"ACCESS SHARE", "AccessShareLock"}, RowShare: {"ROW SHARE", "RowShareLock"},
	RowExclusive: {"ROW EXCLUSIVE", "RowExclusiveLock"}, ShareUpdateExclusive: {"SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock"},
	Share: {"SHARE", "ShareLock"}, ShareRowExclusive: {"SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock"},
	Exclusive: {"EXCLUSIVE", "ExclusiveLock"}, AccessExclusive: {"ACCESS EXCLUSIVE", "AccessExclusiveLock"},
}

func (m Mode) String() string { return modes[m].sql }

// MarshalText writes the mode as PostgreSQL does.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// BlocksWriters reports whether nobody can write under the lock.
func (m Mode) BlocksWriters() bool { return m >= Share }

// ModeOf returns the mode that pg_locks calls by this name, 0 for another.
func ModeOf(name string) Mode {
	for m, n := range modes {
		if n.internal == name && name != "" {
			return Mode(m)
		}
	}
	return 0
}
