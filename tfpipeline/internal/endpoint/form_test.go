package endpoint

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjects(t *testing.T) {
	form := url.Values{
		"Tags.Tag.2.Key": {"b"}, "Tags.Tag.2.Value": {"2"},
		"Tags.Tag.10.Key": {"c"}, "Tags.Tag.1.Key": {"a"}, "Tags.Tag.1.Value": {"1"},
		"TagsOfOthers.Tag.1.Key": {"x"}, "Tags.Tag.none.Key": {"x"},
	}
	want := []url.Values{
		{"Key": {"a"}, "Value": {"1"}},
		{"Key": {"b"}, "Value": {"2"}},
		{"Key": {"c"}},
	}
	if diff := cmp.Diff(want, Objects(form, "Tags")); diff != "" {
		t.Error(diff)
	}
	ec2 := url.Values{"IpPermissions.1.Groups.1.GroupId": {"sg-1"}, "IpPermissions.1.IpProtocol": {"tcp"}}
	permissions := Objects(ec2, "IpPermissions")
	if len(permissions) != 1 || Objects(permissions[0], "Groups")[0].Get("GroupId") != "sg-1" {
		t.Errorf("EC2's flat lists: %v", permissions)
	}
	if got := Texts(url.Values{"SubnetIds.SubnetIdentifier.2": {"b"}, "SubnetIds.SubnetIdentifier.1": {"a"}}, "SubnetIds"); strings.Join(got, " ") != "a b" {
		t.Errorf("texts: %v", got)
	}
}

func TestXMLRoundTrip(t *testing.T) {
	const document = `<?xml version="1.0" encoding="UTF-8"?>
<R xmlns="http://x/"><A>1 &lt; 2 &amp; 3</A><L><i><B>x</B></i><i><B>y</B></i></L><E/></R>`
	root, err := ParseXML([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Encode(root)); got != document {
		t.Errorf("got\n%s\nwant\n%s", got, document)
	}
	if Text(root, "A") != "1 < 2 & 3" || len(Every(root, "B")) != 2 || Text(root.SelectElement("none"), "x") != "" {
		t.Errorf("read wrongly: %s", Encode(root))
	}
	for _, broken := range []string{"", "<a>", "<a></a></b>", "no xml <", "</a>"} {
		if _, err := ParseXML([]byte(broken)); err == nil {
			t.Errorf("%q was parsed", broken)
		}
	}
}

func TestPage(t *testing.T) {
	all := []int{1, 2, 3, 4, 5}
	var got []int
	var token *string
	for range 10 {
		part, next, err := Page(all, token, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part...)
		if token = next; token == nil {
			break
		}
	}
	if !cmp.Equal(got, all) {
		t.Errorf("pages gave %v", got)
	}
	wrong := "next-99"
	if _, _, err := Page(all, &wrong, 2); err == nil {
		t.Error("a token beyond the end was taken")
	}
}
