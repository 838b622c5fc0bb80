package config_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// FuzzValidate changes the default platform as the bytes say. Nothing panics,
// every problem is one line with a path and a rule, and what passes gives only
// names that AWS takes.
func FuzzValidate(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{9, 0, 1, 0, 200, 10, 3, 2, 1, 255, 12, 4, 0, 7})
	f.Add([]byte("\x0c\x00\x00\x04\x02 a service with spaces \x0b\x01\x02\x03"))
	f.Add([]byte(strings.Repeat("\x09\x03\x00\x05\x0c\x02", 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := configtest.Docs()
		m := mutator{data}
		for range 40 {
			if len(m.data) == 0 {
				break
			}
			m.change(reflect.ValueOf(&p).Elem(), 0)
		}
		err := p.Validate()
		if err == nil {
			checkAWSNames(t, p)
			return
		}
		problems, ok := errors.AsType[config.Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("error is %T of %d problems", err, len(problems))
		}
		for _, problem := range problems {
			if problem.Path == "" || problem.Rule == "" || strings.ContainsAny(problem.String(), "\n\r\x00\x1b") {
				t.Errorf("not a line with path and rule: %q", problem.String())
			}
		}
	})
}

// mutator turns bytes into changes.
type mutator struct{ data []byte }

func (m *mutator) next(n int) int {
	if len(m.data) == 0 || n == 0 {
		return 0
	}
	b := int(m.data[0])
	m.data = m.data[1:]
	return b % n
}

func (m *mutator) text() string {
	known := []string{
		"", "a", "api", "-a", "a-", "a--b", "A", "shared", "staging", "production", "internal-x", "..", "/", "*", "\x00", "\xff", "é", "${x}", "%{if}",
		"10.0.0.0/16", "10.20.0.0/16", "0.0.0.0/0", "::/0", "db.t4g.micro", "db..", "PORT", "a\nb", "xn--", strings.Repeat("x", 70), strings.Repeat("é", 3000),
	}
	if n := m.next(len(known) + 20); n < len(known) {
		return known[n]
	}
	n := min(m.next(40), len(m.data))
	s := string(m.data[:n])
	m.data = m.data[n:]
	return s
}

// change sets one thing at or below v.
func (m *mutator) change(v reflect.Value, depth int) {
	if depth > 8 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		m.change(v.Field(m.next(v.NumField())), depth+1)
	case reflect.String:
		v.SetString(m.text())
	case reflect.Bool:
		v.SetBool(m.next(2) == 1)
	case reflect.Int, reflect.Int64:
		known := []int64{0, 1, -1, 2, 7, 35, 36, 60, 100, 256, 512, 1024, 2048, 65535, 65536, 50000, int64(time.Minute), int64(time.Hour), 1 << 62, -1 << 62}
		v.SetInt(known[m.next(len(known))])
	case reflect.Pointer:
		if m.next(3) == 0 {
			v.SetZero()
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		m.change(v.Elem(), depth+1)
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		e := reflect.New(v.Type().Elem()).Elem()
		m.change(e, depth+1)
		v.SetMapIndex(reflect.ValueOf(m.text()), e)
	case reflect.Slice:
		switch n := v.Len(); {
		case n == 0 || m.next(8) == 0:
			e := reflect.New(v.Type().Elem()).Elem()
			if n > 0 {
				e.Set(v.Index(m.next(n)))
			}
			v.Set(reflect.Append(v, e))
			m.change(v.Index(n), depth+1)
		case m.next(8) == 0:
			i := m.next(n)
			v.Set(reflect.AppendSlice(v.Slice(0, i), v.Slice(i+1, n)))
		default:
			m.change(v.Index(m.next(n)), depth+1)
		}
	}
}

// AWS's own rules for names, as its documentation states them.
var (
	elbName      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$`)
	ecrName      = regexp.MustCompile(`^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$`)
	rdsName      = regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){0,62}$`)
	cacheName    = regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){0,39}$`)
	iamName      = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	secretName   = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	logGroupName = regexp.MustCompile(`^[A-Za-z0-9_/.#-]{1,512}$`)
	familyName   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	databaseName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
)

// checkAWSNames holds every name that a valid platform derives against AWS's
// rules, and finds those that two things would share.
func checkAWSNames(t *testing.T, p config.Platform) {
	t.Helper()
	check := func(rule *regexp.Regexp, name string) {
		t.Helper()
		if !rule.MatchString(name) {
			t.Errorf("name %q does not match %s", name, rule)
		}
	}
	check(bucketName, p.StateBucket())
	check(databaseName, p.DatabaseName())
	check(databaseName, p.DatabaseUser())
	check(iamName, p.Role("plan"))
	check(iamName, p.Role("build"))
	families := map[string]bool{}
	for _, e := range p.Environments {
		check(elbName, p.Prefix(e.Name))
		check(rdsName, p.Prefix(e.Name))
		check(cacheName, p.Prefix(e.Name))
		check(iamName, p.Role("deploy-"+e.Name))
		if strings.HasPrefix(p.Prefix(e.Name), "internal-") || strings.HasPrefix(p.Prefix(e.Name), "sg-") {
			t.Errorf("prefix %q is reserved", p.Prefix(e.Name))
		}
		for _, s := range p.Secrets {
			check(secretName, p.SecretName(e.Name, s.Name))
		}
		containers := []string{"database", "cache", "load-balancer"}
		for _, s := range p.Services {
			check(ecrName, p.RepositoryName(s.Name))
			if s.Public() {
				check(elbName, p.TargetGroup(e.Name, s.Name))
			}
			containers = append(containers, s.Name)
		}
		for _, task := range p.Tasks {
			containers = append(containers, task.Name)
		}
		for _, c := range containers {
			family := p.Family(e.Name, c)
			check(familyName, family)
			check(iamName, family+"-execution")
			check(logGroupName, p.LogGroup(e.Name, c))
			if families[family] {
				t.Errorf("two containers share the name %q", family)
			}
			families[family] = true
		}
	}
}

func TestDefaultNames(t *testing.T) {
	t.Parallel()
	checkAWSNames(t, configtest.Docs())
}

func BenchmarkValidate(b *testing.B) {
	p := configtest.Docs()
	for b.Loop() {
		if err := p.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
