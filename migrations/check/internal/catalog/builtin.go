// What every PostgreSQL brings along: which functions are volatile, which types
// there are, which casts change no bytes. The facts are read from a server's own
// catalogue into builtin.txt by
//
//	E2E=1 go test -run TestBuiltin ./migrations/check/internal/catalog -update
//
// newer.txt adds by hand what later versions and the usual extensions bring.
package catalog

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

//go:embed builtin.txt
var generated string

//go:embed newer.txt
var newer string

// Volatility is whether a function's value may differ from call to call.
type Volatility int

const (
	// NotBuiltin: no built-in function has that name and number of arguments.
	NotBuiltin Volatility = iota
	// Steady is immutable or stable: one value for the whole statement.
	Steady
	// Volatile is a value for every row.
	Volatile
)

type facts struct {
	functions map[string][]arity
	// extensions are functions of the usual extensions, by name.
	extensions map[string]Volatility
	types      map[string]bool
	same       map[[2]string]bool
	opclasses  map[string]string
}

type arity struct {
	least, most int
	volatile    bool
}

var load = sync.OnceValue(func() *facts {
	f := &facts{functions: map[string][]arity{}, extensions: map[string]Volatility{}, types: map[string]bool{}, same: map[[2]string]bool{}, opclasses: map[string]string{}}
	for _, text := range []string{generated, newer} {
		for line := range strings.Lines(text) {
			f.read(strings.Fields(line))
		}
	}
	return f
})

// read takes one line: a kind and its entries.
func (f *facts) read(words []string) {
	if len(words) == 0 || words[0] == "#" {
		return
	}
	for _, w := range words[1:] {
		switch words[0] {
		case "steady", "volatile":
			name, count, _ := strings.Cut(w, "/")
			f.functions[name] = append(f.functions[name], parseArity(count, words[0] == "volatile"))
		case "extension-steady":
			f.extensions[w] = Steady
		case "extension-volatile":
			f.extensions[w] = Volatile
		case "types":
			f.types[w] = true
		case "same":
			from, to, _ := strings.Cut(w, ">")
			f.same[[2]string{from, to}] = true
		case "opclass":
			typ, family, _ := strings.Cut(w, "=")
			f.opclasses[typ] = family
		}
	}
}

// parseArity reads "", "2", "1-3" or "1+".
func parseArity(text string, volatile bool) arity {
	a := arity{0, 1000, volatile}
	low, high, ranged := strings.Cut(text, "-")
	if n, err := strconv.Atoi(strings.TrimSuffix(low, "+")); err == nil {
		a.least, a.most = n, n
		if strings.HasSuffix(low, "+") {
			a.most = 1000
		}
	}
	if n, err := strconv.Atoi(high); ranged && err == nil {
		a.most = n
	}
	return a
}

// ExtensionVolatility returns the volatility of a function of the usual
// extensions, none of which locks or changes anything.
func ExtensionVolatility(name string) Volatility {
	return load().extensions[name]
}

// VolatilityOf returns the volatility of a built-in function. Where several have
// that number of arguments, one that is volatile counts.
func VolatilityOf(name string, args int) Volatility {
	found := NotBuiltin
	for _, a := range load().functions[name] {
		if args < a.least || args > a.most {
			continue
		}
		if a.volatile {
			return Volatile
		}
		found = Steady
	}
	return found
}

// BuiltinType reports whether PostgreSQL has a type of that name in pg_catalog.
func BuiltinType(name string) bool { return load().types[name] }

// SameBytes reports whether the cast between two types of pg_catalog leaves
// every value's bytes as they are.
func SameBytes(from, to string) bool { return load().same[[2]string{from, to}] }

// Opclass names the B-tree operator class that an index on a type of pg_catalog
// uses unless it says otherwise; "" if the type cannot be ordered. An index
// outlives a change of type only if this stays the same.
func Opclass(typ string) string {
	switch typ { // these order as the preferred type of their kind does
	case "varchar":
		typ = "text"
	case "cidr":
		typ = "inet"
	}
	return load().opclasses[typ]
}
