package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// importsFile holds the import blocks of an adoption, in the workspace only.
const importsFile = "tfpipeline_imports.tf"

// Import is an existing resource that the state does not know.
type Import struct {
	// Address is where it belongs, ID what the provider imports it by.
	Address, ID string
}

// PlanImports plans again with import blocks. If some of the resources do not
// exist, it returns their addresses as absent, and there is no plan; otherwise
// the saved plan adopts all of them.
func (d *Driver) PlanImports(ctx context.Context, imports []Import) (absent []string, err error) {
	if err := os.WriteFile(filepath.Join(d.workspace.Dir, importsFile), importBlocks(imports), 0o600); err != nil {
		return nil, fmt.Errorf("plan imports: %w", err)
	}
	stream := newEventStream(func(Event) {})
	err = d.run(ctx, d.planEnv, stream, "plan", "-json", "-input=false", "-lock=false", "-out="+d.workspace.Plan)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var others []string
	for _, text := range stream.errors {
		if address := absentAddress(text, imports); address != "" {
			absent = append(absent, address)
			continue
		}
		others = append(others, text)
	}
	switch {
	case len(absent) > 0:
		// Other errors may follow from these; the next plan will show them.
		return absent, nil
	case len(others) > 0:
		return nil, fmt.Errorf("plan imports: %w", classify(errors.New(strings.Join(others, "\n\n"))))
	case err != nil:
		return nil, fmt.Errorf("plan imports: %w", err)
	}
	return nil, nil
}

func importBlocks(imports []Import) []byte {
	f := hclwrite.NewEmptyFile()
	for _, i := range imports {
		body := f.Body().AppendNewBlock("import", nil).Body()
		body.SetAttributeRaw("to", hclwrite.TokensForIdentifier(i.Address))
		body.SetAttributeValue("id", cty.StringVal(i.ID))
	}
	return f.Bytes()
}
