package localaws

import (
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// databases repairs what moto says of database instances. The provider sees,
// without it:
//
//   - performance_insights_enabled true → false for ever, monitoring_interval
//     and monitoring_role_arn lost at creation: moto forgets these parameters;
//   - no IOPS and throughput of a gp3 volume, which has some without asking;
//   - two instances that are one: the provider finds an instance by
//     DbiResourceId, and moto gives all of them the same;
//   - the automated snapshots of an instance that was renamed as left when it is
//     deleted: moto finds them by the name of then;
//   - parameter blocks of a parameter group as additions for ever: moto says
//     of no parameter that a user has set it.
type databases struct {
	address func(identifier string) (host string, port int, ok bool)
	// renamed and restored tell the servers of instances; nil if there are none.
	renamed  func(from, to string)
	restored func(from, to string, at time.Time)
	// snapshot and fromSnapshot are told when a snapshot is taken, and when an instance is
	// made of one.
	snapshot     func(identifier, id string)
	fromSnapshot func(id, to string)

	mu      sync.Mutex
	records map[string]*databaseRecord   // by identifier
	taken   map[string]map[string]string // snapshot → element of its instance → text
}

// databaseRecord is what moto does not know of an instance.
type databaseRecord struct {
	settings map[string]string // element → text
	resource string            // DbiResourceId
	waiting  url.Values        // what the maintenance window will change
	backups  []string          // automated snapshots made under an earlier identifier
}

// record returns the record of an instance. The caller holds the lock.
func (d *databases) record(identifier string) *databaseRecord {
	if d.records[identifier] == nil {
		d.records[identifier] = &databaseRecord{settings: map[string]string{}}
	}
	return d.records[identifier]
}

// remembered maps the parameters that moto forgets to the elements that show
// them.
var remembered = map[string]string{
	"EnablePerformanceInsights":          "PerformanceInsightsEnabled",
	"PerformanceInsightsKMSKeyId":        "PerformanceInsightsKMSKeyId",
	"PerformanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
	"MonitoringInterval":                 "MonitoringInterval",
	"MonitoringRoleArn":                  "MonitoringRoleArn",
}

func newDatabases(address func(string) (string, int, bool)) *databases {
	if address == nil {
		address = func(string) (string, int, bool) { return "", 0, false }
	}
	return &databases{
		address: address,
		records: map[string]*databaseRecord{},
		taken:   map[string]map[string]string{},
	}
}

func (d *databases) operations() endpoint.Table {
	return endpoint.Table{
		"rds.CreateDBInstance":                d.create,
		"rds.ModifyDBInstance":                d.modify,
		"rds.DeleteDBInstance":                d.remove,
		"rds.StartDBInstance":                 d.show,
		"rds.StopDBInstance":                  d.show,
		"rds.RebootDBInstance":                d.show,
		"rds.RestoreDBInstanceToPointInTime":  d.restore,
		"rds.RestoreDBInstanceFromDBSnapshot": d.restoreSnapshot,
		"rds.CreateDBSnapshot":                d.takeSnapshot,
		"rds.DescribeDBSnapshots":             d.describeSnapshots,
		"rds.DescribeDBInstances":             d.describe,
		"rds.DescribeDBParameters":            showUserParameters,
	}
}

func (d *databases) create(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	if err := checkVolume(c.Form, func(string) string { return "" }); err != nil {
		return nil, err
	}
	return d.change(c, next)
}

// modify makes the changes that do not wait for the maintenance window.
func (d *databases) modify(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	identifier := c.Form.Get("DBInstanceIdentifier")
	root, rep, err := another(c, next, "DescribeDBInstances", url.Values{"DBInstanceIdentifier": {identifier}})
	if root == nil {
		return rep, err // the instance does not exist
	}
	instance := endpoint.Every(root, "DBInstance")
	current := func(element string) string {
		if len(instance) == 0 {
			return ""
		}
		return endpoint.Text(instance[0], element)
	}
	if err := checkVolume(c.Form, current); err != nil {
		return nil, err
	}
	now, later := postpone(c.Form, deferredOfInstance, current)
	d.mu.Lock()
	switch r := d.record(identifier); {
	case endpoint.IsTrue(c.Form, "ApplyImmediately"):
		// An immediate change also makes the changes that were waiting.
		all := url.Values{}
		maps.Copy(all, r.waiting)
		maps.Copy(all, now)
		now, r.waiting = all, nil
	case r.waiting == nil:
		r.waiting = later
	default:
		maps.Copy(r.waiting, later)
	}
	d.mu.Unlock()
	if renamed := now.Get("NewDBInstanceIdentifier"); renamed != "" && renamed != identifier {
		if err := d.keepBackups(c, next, identifier); err != nil {
			return nil, err
		}
	}
	return d.change(c.WithForm(now), next)
}

// keepBackups notes the automated snapshots of an instance that gets another name.
func (d *databases) keepBackups(c *endpoint.Call, next endpoint.Next, identifier string) error {
	root, _, err := another(c, next, "DescribeDBSnapshots", url.Values{"DBInstanceIdentifier": {identifier}, "SnapshotType": {"automated"}})
	if root == nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var others []string
	for _, r := range d.records {
		others = append(others, r.backups...)
	}
	r := d.record(identifier)
	for _, snapshot := range endpoint.Every(root, "DBSnapshot") {
		if id := endpoint.Text(snapshot, "DBSnapshotIdentifier"); !slices.Contains(others, id) {
			r.backups = append(r.backups, id)
		}
	}
	return nil
}

// another makes another call of RDS for the one that is being answered. The element is
// nil if the call is refused, which the answer says.
func another(c *endpoint.Call, next endpoint.Next, operation string, form url.Values) (*etree.Element, *endpoint.Reply, error) {
	rep, err := next(asOperation(c, operation, form))
	if err != nil || rep.Status != http.StatusOK {
		return nil, rep, err
	}
	root, err := endpoint.ParseXML(rep.Body)
	return root, rep, err
}

// asOperation is the call as another operation of RDS.
func asOperation(c *endpoint.Call, operation string, form url.Values) *endpoint.Call {
	form["Action"], form["Version"] = []string{operation}, c.Form["Version"]
	d := c.WithForm(form)
	d.Operation = operation
	return d
}

// takeWaiting returns and forgets the changes that wait for the maintenance
// window.
func (d *databases) takeWaiting() map[string]url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]url.Values{}
	for identifier, r := range d.records {
		if r.waiting != nil {
			all[identifier], r.waiting = r.waiting, nil
		}
	}
	return all
}

// change remembers what a request sets, and adds it to the answer.
func (d *databases) change(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		identifier := c.Form.Get("DBInstanceIdentifier")
		d.mu.Lock()
		defer d.mu.Unlock()
		if renamed := c.Form.Get("NewDBInstanceIdentifier"); renamed != "" && renamed != identifier {
			d.records[renamed] = d.record(identifier)
			delete(d.records, identifier)
			if d.renamed != nil {
				d.renamed(identifier, renamed)
			}
			identifier = renamed
		}
		settings := d.record(identifier).settings
		for parameter, element := range remembered {
			if c.Form.Has(parameter) {
				settings[element] = c.Form.Get(parameter)
			}
		}
		if settings["MonitoringInterval"] == "0" {
			delete(settings, "MonitoringRoleArn")
		}
		if settings["PerformanceInsightsEnabled"] == "true" && settings["PerformanceInsightsRetentionPeriod"] == "" {
			settings["PerformanceInsightsRetentionPeriod"] = "7" // AWS's default, in days
		}
		d.complete(root)
	})
}

// restore makes an instance of what another one held. moto would make a replica of the
// other one, so the instance is created instead, with the settings of the request and
// those that RDS takes over from the other one.
func (d *databases) restore(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	from, to, at := c.Form.Get("SourceDBInstanceIdentifier"), c.Form.Get("TargetDBInstanceIdentifier"), time.Now()
	if !endpoint.IsTrue(c.Form, "UseLatestRestorableTime") {
		var err error
		if at, err = time.Parse(time.RFC3339, c.Form.Get("RestoreTime")); err != nil || !at.Before(time.Now()) {
			return nil, endpoint.Refuse("InvalidRestoreFault", "The specified restore time %s is not within the restore window.", c.Form.Get("RestoreTime"))
		}
	}
	taken, rep, err := d.takenOver(c, from, next)
	if taken == nil {
		return rep, err // the instance does not exist
	}
	return d.createLike(c, taken, to, func() {
		if d.restored != nil {
			d.restored(from, to, at)
		}
	}, next)
}

// takenOver are the elements of an instance that a restored one takes over; nil with
// the answer if that is a refusal.
func (d *databases) takenOver(c *endpoint.Call, identifier string, next endpoint.Next) (map[string]string, *endpoint.Reply, error) {
	source, rep, err := another(c, next, "DescribeDBInstances", url.Values{"DBInstanceIdentifier": {identifier}})
	if source == nil {
		return nil, rep, err
	}
	taken := map[string]string{}
	for _, instance := range endpoint.Every(source, "DBInstance") {
		for _, element := range []string{"AllocatedStorage", "BackupRetentionPeriod", "DBName", "Engine", "EngineVersion", "MasterUsername", "PreferredBackupWindow", "PreferredMaintenanceWindow", "StorageEncrypted"} {
			if text := endpoint.Text(instance, element); text != "" {
				taken[element] = text
			}
		}
	}
	return taken, rep, nil
}

// createLike creates an instance with the settings of the request and those that it
// takes over.
func (d *databases) createLike(c *endpoint.Call, taken map[string]string, to string, made func(), next endpoint.Next) (*endpoint.Reply, error) {
	form := maps.Clone(c.Form)
	for _, own := range []string{"SourceDBInstanceIdentifier", "TargetDBInstanceIdentifier", "RestoreTime", "UseLatestRestorableTime", "DBSnapshotIdentifier"} {
		delete(form, own)
	}
	for element, text := range taken {
		form.Set(element, text)
	}
	form.Set("DBInstanceIdentifier", to)
	form.Set("MasterUserPassword", "that-of-the-source")
	rep, err := repair(asOperation(c, "CreateDBInstance", form), next, func(root *etree.Element) {
		d.mu.Lock()
		defer d.mu.Unlock()
		made()
		d.complete(root)
	})
	if err != nil || rep.Status != http.StatusOK {
		return rep, err
	}
	root, err := endpoint.ParseXML(rep.Body)
	if err != nil {
		return nil, err
	}
	return endpoint.Query(c, rdsNamespace, endpoint.Every(root, "DBInstance")...), nil
}

func (d *databases) show(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.complete(root)
	})
}

func (d *databases) remove(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	moto := next
	if final := c.Form.Get("FinalDBSnapshotIdentifier"); final != "" {
		moto = func(c *endpoint.Call) (*endpoint.Reply, error) { return d.keep(c, final, next) }
	}
	var backups []string
	rep, err := repair(c, moto, func(root *etree.Element) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.complete(root)
		identifier := c.Form.Get("DBInstanceIdentifier")
		backups = d.record(identifier).backups
		delete(d.records, identifier)
	})
	if c.Form.Has("DeleteAutomatedBackups") && !endpoint.IsTrue(c.Form, "DeleteAutomatedBackups") {
		return rep, err
	}
	for _, id := range backups {
		if _, err := next(asOperation(c, "DeleteDBSnapshot", url.Values{"DBSnapshotIdentifier": {id}})); err != nil {
			return nil, err
		}
	}
	return rep, err
}

// describe translates the filter by DbiResourceId into the identifier.
func (d *databases) describe(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	asked := ""
	for _, filter := range endpoint.Objects(c.Form, "Filters") {
		if values := endpoint.Texts(filter, "Values"); filter.Get("Name") == "dbi-resource-id" && len(values) == 1 {
			asked = values[0]
		}
	}
	if asked != "" {
		identifier := d.identifier(asked)
		if identifier == "" {
			return endpoint.Query(c, rdsNamespace, endpoint.Branch("DBInstances")), nil
		}
		c = asOperation(c, c.Operation, url.Values{"DBInstanceIdentifier": {identifier}})
	}
	rep, err := d.show(c, next)
	if err == nil && asked != "" && rep.Status == http.StatusNotFound {
		// A filter that matches nothing is no error.
		return endpoint.Query(c, rdsNamespace, endpoint.Branch("DBInstances")), nil
	}
	return rep, err
}

func (d *databases) identifier(resourceID string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for identifier, r := range d.records {
		if r.resource == resourceID {
			return identifier
		}
	}
	return ""
}

// complete adds to every instance of an answer what moto forgets. The caller
// holds the lock.
func (d *databases) complete(root *etree.Element) {
	for _, instance := range endpoint.Every(root, "DBInstance") {
		identifier := endpoint.Text(instance, "DBInstanceIdentifier")
		if identifier == "" {
			continue
		}
		r := d.record(identifier)
		if r.resource == "" {
			r.resource = resourceID(endpoint.Text(instance, "DBInstanceArn"), endpoint.Text(instance, "InstanceCreateTime"))
		}
		endpoint.Set(instance, "DbiResourceId", r.resource)
		showVolume(instance)
		if len(r.waiting) > 0 {
			if old := instance.SelectElement("PendingModifiedValues"); old != nil {
				instance.RemoveChild(old)
			}
			instance.AddChild(pendingElement(r.waiting, deferredOfInstance))
		}
		for element, text := range r.settings {
			endpoint.Set(instance, element, text)
		}
		if host, port, ok := d.address(identifier); ok {
			if at := instance.SelectElement("Endpoint"); at != nil {
				endpoint.Set(at, "Address", host)
				endpoint.Set(at, "Port", strconv.Itoa(port))
			}
		}
	}
}

// resourceID returns an id of AWS's form. It differs for each instance, even
// for a later one of the same name.
func resourceID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return "db-" + base32.StdEncoding.EncodeToString(h.Sum(nil))[:26]
}

const rdsNamespace = "http://rds.amazonaws.com/doc/2014-10-31/"

// showUserParameters marks each parameter of a group as set by a user. moto
// lists only such parameters but does not mark them, so the provider plans to
// set them again and again. TLS alone is the default of PostgreSQL 15 and later, and
// RDS keeps the default's source and method for a value that is the default.
func showUserParameters(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		for _, parameter := range endpoint.Every(root, "Parameter") {
			switch {
			case endpoint.Text(parameter, "ParameterName") == "rds.force_ssl" && endpoint.Text(parameter, "ParameterValue") == "1":
				endpoint.Set(parameter, "Source", "system")
				endpoint.Set(parameter, "ApplyMethod", "pending-reboot")
			case endpoint.Text(parameter, "Source") == "":
				endpoint.Set(parameter, "Source", "user")
			}
		}
	})
}
