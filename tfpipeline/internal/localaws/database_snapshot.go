package localaws

import (
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// moto restores a snapshot with what its instance is like now, and with no data.

// keep has the server of the call's instance keep its data as of now for a snapshot. It
// returns the answer of who refuses.
func (d *databases) keep(c *endpoint.Call, id string, next endpoint.Next) (*endpoint.Reply, error) {
	identifier := c.Form.Get("DBInstanceIdentifier")
	taken, rep, err := d.takenOver(c, identifier, next)
	if taken == nil {
		return rep, err
	}
	if d.snapshot != nil {
		d.snapshot(identifier, strings.ToLower(id))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken[strings.ToLower(id)] = taken
	return nil, nil
}

func (d *databases) takeSnapshot(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	if rep, err := d.keep(c, c.Form.Get("DBSnapshotIdentifier"), next); rep != nil || err != nil {
		return rep, err
	}
	return d.describeSnapshots(c, next)
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
