package localaws

import (
	"net/http"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// moto restores a snapshot with the present settings of its instance, and without data.

// keep has the server of the call's instance keep its data for a snapshot, if the call
// succeeds: one that is refused leaves the snapshot of that name as it is.
func (d *databases) keep(c *endpoint.Call, id string, next endpoint.Next) (*endpoint.Reply, error) {
	id, identifier := strings.ToLower(id), c.Form.Get("DBInstanceIdentifier")
	taken, rep, err := d.takenOver(c, identifier, next)
	if taken == nil {
		return rep, err
	}
	d.address(identifier) // a server is started while its instance is there
	if rep, err = next(c); err != nil || rep.Status != http.StatusOK {
		return rep, err
	}
	if d.snapshot != nil {
		d.snapshot(identifier, id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken[id] = taken
	return rep, nil
}

func (d *databases) takeSnapshot(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return d.describeSnapshots(c, func(c *endpoint.Call) (*endpoint.Reply, error) {
		return d.keep(c, c.Form.Get("DBSnapshotIdentifier"), next)
	})
}

// describeSnapshots says of each snapshot whether it is encrypted: moto does so only of
// those with a key that was named.
func (d *databases) describeSnapshots(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, snapshot := range endpoint.Every(root, "DBSnapshot") {
			if taken := d.taken[endpoint.Text(snapshot, "DBSnapshotIdentifier")]; taken != nil {
				endpoint.Set(snapshot, "Encrypted", taken["StorageEncrypted"])
			}
		}
	})
}

// restoreSnapshot makes an instance of what a snapshot holds.
func (d *databases) restoreSnapshot(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	id, to := strings.ToLower(c.Form.Get("DBSnapshotIdentifier")), c.Form.Get("DBInstanceIdentifier")
	d.mu.Lock()
	taken := d.taken[id]
	d.mu.Unlock()
	if taken == nil {
		return nil, endpoint.Refuse("DBSnapshotNotFound", "DBSnapshot %s not found.", id)
	}
	return d.createLike(c, taken, to, func() {
		if d.fromSnapshot != nil {
			d.fromSnapshot(id, to)
		}
	}, next)
}
