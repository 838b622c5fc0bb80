package terraform

import "testing"

func TestAbsentAddress(t *testing.T) {
	imports := []Import{
		{Address: "aws_x.a", ID: "1"},
		{Address: "aws_x.ab", ID: "2"},
		{Address: `aws_x.a["mcp"]`, ID: "3"},
		{Address: `module.m["k"].aws_x.a[0]`, ID: "4"},
		{Address: "aws_route_table_association.a", ID: "subnet-1/rtb-1"},
		{Address: "aws_route_table_association.b", ID: "subnet-2/rtb-1"},
	}
	const nothing = "Error: Cannot import non-existent remote object\n\nWhile attempting to import an existing object to "
	for text, want := range map[string]string{
		nothing + `"aws_x.a", the provider detected that no object exists`:                    "aws_x.a",
		nothing + `"aws_x.ab", the provider detected that no object exists`:                   "aws_x.ab",
		nothing + `"aws_x.a[\"mcp\"]", the provider detected that no object exists`:           `aws_x.a["mcp"]`,
		nothing + `"module.m[\"k\"].aws_x.a[0]", the provider detected that no object exists`: `module.m["k"].aws_x.a[0]`,
		"Error: reading X (aws_x.ab): couldn't find resource":                                 "aws_x.ab",
		"Error: No association found between route table ID rtb-1 and target ID subnet-2":     "aws_route_table_association.b",
		"Error: No association found between route table ID rtb-1 and target ID subnet-3":     "",
		"Error: Invalid provider configuration for aws_x.a":                                   "",
		nothing + `"aws_y.other", the provider detected that no object exists`:                "",
	} {
		if got := absentAddress(text, imports); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
