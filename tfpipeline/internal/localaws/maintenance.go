package localaws

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// RDS and ElastiCache make some changes in the maintenance window, unless a call
// asks for them immediately; until then they show these changes as pending:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html
// Here a window opens only when Maintain is called.

// deferredParameters map the parameters of such changes to the elements that
// describe them as pending.
var (
	deferredOfInstance = map[string]string{
		"AllocatedStorage": "AllocatedStorage", "BackupRetentionPeriod": "BackupRetentionPeriod", "CACertificateIdentifier": "CACertificateIdentifier",
		"DBInstanceClass": "DBInstanceClass", "DBPortNumber": "Port", "EngineVersion": "EngineVersion", "Iops": "Iops",
		"LicenseModel": "LicenseModel", "MultiAZ": "MultiAZ", "StorageThroughput": "StorageThroughput", "StorageType": "StorageType",
	}
	deferredOfGroup = map[string]string{"CacheNodeType": "CacheNodeType", "EngineVersion": "EngineVersion"}
)

// postpone splits the parameters of a change into those that apply now and
// those that wait. A parameter that already has its value, as current says,
// does not wait.
func postpone(form url.Values, deferred map[string]string, current func(element string) string) (now, later url.Values) {
	now, later = url.Values{}, url.Values{}
	for name, values := range form {
		element, waits := deferred[name]
		if !waits || endpoint.IsTrue(form, "ApplyImmediately") || len(values) > 0 && strings.EqualFold(current(element), values[0]) {
			now[name] = values
		} else {
			later[name] = values
		}
	}
	return now, later
}

// pendingElement shows the changes that wait.
func pendingElement(waiting url.Values, deferred map[string]string) *etree.Element {
	e := endpoint.Branch("PendingModifiedValues")
	for name := range waiting {
		endpoint.Add(e, endpoint.Leaf(deferred[name], waiting.Get(name)))
	}
	return e
}

// Maintain makes the changes that wait for a maintenance window, as if the windows of
// all databases and caches had passed. It returns the names of what it changed.
func (e *Endpoint) Maintain(ctx context.Context) ([]string, error) {
	names := e.caches.maintain()
	for identifier, waiting := range e.databases.takeWaiting() {
		form := url.Values{"Action": {"ModifyDBInstance"}, "Version": {"2014-10-31"}, "DBInstanceIdentifier": {identifier}, "ApplyImmediately": {"true"}}
		maps.Copy(form, waiting)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localaws/", strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", signature("rds", e.region))
		if rep := e.self(r); rep.Status != http.StatusOK {
			return nil, fmt.Errorf("change database %s in its maintenance window: status %d: %s", identifier, rep.Status, rep.Body)
		}
		names = append(names, identifier)
	}
	slices.Sort(names)
	return names, nil
}
