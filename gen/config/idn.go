package config

import (
	"slices"
	"strings"
	"unicode"
)

const registrableRule = "has a label with hyphens as its third and fourth characters that is no internationalized name (xn--…), so no certificate is issued for it"

// isRegistrable reports whether registries and certificate authorities take a DNS name:
// a label with two hyphens as its third and fourth characters is an internationalized
// one, xn-- and its Punycode (RFC 5891, section 4.2.3.1).
func isRegistrable(name string) bool {
	return !slices.ContainsFunc(strings.Split(name, "."), func(label string) bool {
		encoded, international := strings.CutPrefix(label, "xn--")
		if !international {
			return len(label) > 3 && label[2:4] == "--"
		}
		return !isPunycode(encoded)
	})
}

// isPunycode reports whether text is Punycode (RFC 3492) of letters, digits and hyphens
// with some outside ASCII among them.
func isPunycode(text string) bool {
	const base, most = 36, 1 << 20
	length := max(0, strings.LastIndexByte(text, '-'))
	rest := strings.TrimPrefix(text[length:], "-")
	if rest == "" {
		return false
	}
	n, i, bias := 128, 0, 72
	for rest != "" {
		before, weight := i, 1
		for k := base; ; k += base {
			if rest == "" {
				return false
			}
			digit := strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789", rest[0])
			if rest = rest[1:]; digit < 0 || weight > most {
				return false
			}
			i += digit * weight
			t := min(max(k-bias, 1), 26)
			if digit < t {
				break
			}
			weight *= base - t
		}
		length++
		bias = adapted(i-before, length, before == 0)
		n, i = n+i/length, i%length+1
		if n > unicode.MaxRune || !unicode.In(rune(n), unicode.L, unicode.M, unicode.Nd) && n != '·' && n != '・' {
			return false
		}
	}
	return true
}

// adapted is Punycode's bias after a difference, where so many characters are known.
func adapted(difference, length int, first bool) (bias int) {
	if difference /= 2; first {
		difference /= 350
	}
	for difference += difference / length; difference > 455; difference /= 35 {
		bias += 36
	}
	return bias + 36*difference/(difference+38)
}
