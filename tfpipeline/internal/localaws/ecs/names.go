package ecs

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// ARNs are those of https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html,
// in the long form.

func (m *model) arn(resource string, args ...any) string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:", m.options.Region, m.options.Account) + fmt.Sprintf(resource, args...)
}

// lastPart is the name at the end of an ARN, or the name itself.
func lastPart(reference string) string { return reference[strings.LastIndex(reference, "/")+1:] }

// randomHex is n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func uuid() string {
	h := randomHex(16)
	return strings.Join([]string{h[:8], h[8:12], "4" + h[13:16], "8" + h[17:20], h[20:]}, "-")
}

// digits is a random number of 19 digits, as deployments and revisions have.
func digits() string {
	n, err := rand.Int(rand.Reader, big.NewInt(9e18))
	if err != nil {
		panic(err) // the reader never fails
	}
	return fmt.Sprint(n.Add(n, big.NewInt(1e18)))
}

// nanoid is the kind of id that service deployments have.
func nanoid() string { return rand.Text()[:21] }

var (
	// clusterName and serviceName: up to 255 letters, numbers, underscores
	// and hyphens.
	nameRule = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)
	tagRule  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	// clientToken of RunTask, and startedBy.
	tokenRule     = regexp.MustCompile(`^[!-~]{0,64}$`)
	startedByRule = regexp.MustCompile(`^[a-zA-Z0-9_/-]{0,128}$`)
	familyRule    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)
)

// page cuts a list into pages; a token is the index at which the next page
// begins.
func page[T any](all []T, limit *int32, standard, most int, token *string) ([]T, *string, error) {
	n := standard
	if limit != nil {
		n = int(*limit)
		if n < 1 || n > most {
			return nil, nil, refuse(invalidParameter, "maxResults must be between 1 and %d", most)
		}
	}
	start := 0
	if token != nil && *token != "" {
		raw, err := hex.DecodeString(*token)
		if _, scan := fmt.Sscanf(string(raw), "next:%d", &start); err != nil || scan != nil || start > len(all) {
			return nil, nil, refuse(invalidParameter, "Invalid token %s.", *token)
		}
	}
	end := min(start+n, len(all))
	if end == len(all) {
		return all[start:end], nil, nil
	}
	next := hex.EncodeToString(fmt.Appendf(nil, "next:%d", end))
	return all[start:end], &next, nil
}

// value is what a pointer points at, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
