package account

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// RDS restores into a new instance only. The new instance takes the old one's place by
// taking its name, and with it the address that the services know:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RenameInstance.html The
// instances that exist show how far an earlier run came, and the next run goes on from
// there.

// restoredTag is the tag that says to which time an instance was restored, or from
// which snapshot. Terraform removes it when it adopts the restored instance, so while
// the tag is there, that has yet to be done. The former instance gets the tag as well,
// and keeps it.
const restoredTag = "RestoredTo"

// RestoreChoices are the choices of the command that restores a database.
type RestoreChoices struct {
	Env           string
	Yes           bool
	name, to      string
	snapshot      string
	back, discard bool
	at            time.Time
}

// Declare declares the flags.
func (o *RestoreChoices) Declare(set *flag.FlagSet) {
	set.StringVar(&o.Env, "env", "", "environment")
	set.StringVar(&o.to, "to", "", "`time` whose data is wanted, such as 2026-11-26T08:00:00Z")
	set.StringVar(&o.snapshot, "snapshot", "", "`snapshot` whose data is wanted; an unknown one lists those that there are")
	set.BoolVar(&o.back, "back", false, "give the name back to the instance of before")
	set.BoolVar(&o.discard, "discard", false, "delete the instance that does not bear the name")
	set.StringVar(&o.name, "name", "", "the environment's name once more, with -yes")
	set.BoolVar(&o.Yes, "yes", false, "do not ask; needs -name")
}

// Check refuses choices that do not say what to do, or to which data.
func (o *RestoreChoices) Check(p config.Platform, now time.Time) (err error) {
	o.snapshot = strings.ToLower(o.snapshot) // as RDS writes them
	given := 0
	for _, is := range []bool{o.to != "", o.snapshot != "", o.back, o.discard} {
		if is {
			given++
		}
	}
	line := "tfpipeline restore -env " + o.Env
	example := line + " -to " + now.Add(-time.Hour).UTC().Format(time.RFC3339)
	switch {
	case !p.HasDatabase():
		return console.Usage("this platform has no database", "tfpipeline status -env "+o.Env)
	case given != 1:
		return console.Usage("restore needs one of -to TIME, -snapshot ID, -back and -discard", example)
	case o.Yes && o.name != o.Env:
		return console.Usage("restore -yes also needs the name of the environment", line+" "+o.action()+" -yes -name "+o.Env)
	case o.to == "":
		return nil
	}
	if o.at, err = time.Parse(time.RFC3339, o.to); err != nil {
		return console.Usage("-to "+o.to+": a time with its zone is wanted", example)
	}
	if !o.at.Before(now) {
		return console.Usage("-to "+o.to+" has not come yet", example)
	}
	return nil
}

// action is the flag that says what is done.
func (o RestoreChoices) action() string {
	switch {
	case o.back:
		return "-back"
	case o.discard:
		return "-discard"
	}
	return flagOf(cmp.Or(o.snapshot, o.to))
}

// flagOf is the flag for the value of a tag: -to for a time, else -snapshot.
func flagOf(wanted string) string {
	if _, err := time.Parse(time.RFC3339, wanted); err == nil {
		return "-to " + wanted
	}
	return "-snapshot " + wanted
}

// wanted is the value of the tag for these choices: the snapshot or the time.
func (o RestoreChoices) wanted() string {
	return cmp.Or(o.snapshot, o.at.UTC().Format(time.RFC3339))
}

// Line is the command that does the same.
func (o RestoreChoices) Line() string { return "tfpipeline restore -env " + o.Env + " " + o.action() }

// Discards reports whether the only change is that an instance is deleted.
func (o RestoreChoices) Discards() bool { return o.discard }

// Restoration is a plan for the instances of an environment's database.
type Restoration struct {
	// Steps describes what is to be done, in order.
	Steps []string
	// Begun says that an earlier run has given the name to another instance, which
	// Terraform has not adopted yet.
	Begun bool

	choices              RestoreChoices
	account              *Account
	client               *rds.Client
	own, other, replaced string   // identifiers: of the database, of the restored instance, of the former one
	resources            []string // RDS's ids of these three; "" is none
	restores             bool     // whether the restored instance has to be made
	source               string   // of what
	renames              []renaming
	began                time.Time
}

// renaming gives an instance another identifier.
type renaming struct{ from, to string }

// Restoration looks how far an earlier run came. It changes nothing.
func (a *Account) Restoration(ctx context.Context, o RestoreChoices) (*Restoration, error) {
	own := a.platform.Prefix(o.Env)
	r := &Restoration{
		choices: o, account: a, client: rds.NewFromConfig(a.cfg), own: own, other: config.RestoredDatabase(own), replaced: config.ReplacedDatabase(own), began: time.Now(),
	}
	there := make([]*types.DBInstance, 3)
	for i, id := range []string{r.own, r.other, r.replaced} {
		found, err := r.find(ctx, id)
		if err != nil {
			return nil, err
		}
		there[i], r.resources = found, append(r.resources, resourceOf(found))
	}
	if err := r.plan(there[0], there[1], there[2]); err != nil {
		return nil, err
	}
	if r.restores && o.snapshot != "" {
		return r, r.checkSnapshot(ctx)
	}
	if e, ok := a.platform.Environment(o.Env); ok && r.restores {
		if why := unfitStorage(e.Database, there[0].AllocatedStorage); why != "" {
			return nil, console.WithNext(fmt.Errorf("%s: %s %s", o.Env, r.own, why), "tfpipeline apply -env %s, then %s", o.Env, o.Line())
		}
	}
	return r, nil
}

// unchanged returns an error if the instances have changed since the steps were
// confirmed: while the question was open, somebody may have restored the database, or
// gone back.
func (r *Restoration) unchanged(ctx context.Context) error {
	now, err := r.account.Restoration(ctx, r.choices)
	if err != nil {
		return err
	}
	if !slices.Equal(now.Steps, r.Steps) || !slices.Equal(now.resources, r.resources) || now.Begun != r.Begun {
		return console.WithNext(fmt.Errorf("%s: somebody has changed the database's instances since these steps were shown, and nothing was done", r.choices.Env), "%s", r.choices.Line())
	}
	return nil
}

// plan returns what is to be done, given the instances that exist; nil stands for one
// that does not.
func (r *Restoration) plan(own, other, replaced *types.DBInstance) error {
	line := "tfpipeline restore -env " + r.choices.Env
	give := func(from, to string) string {
		r.renames = append(r.renames, renaming{from, to})
		return "rename " + from + " to " + to
	}
	const (
		adopt   = "have Terraform's state adopt the instance that bears the name"
		restart = "restart the services that use the database"
	)
	refuse := func(next, format string, args ...any) error {
		return console.WithNext(fmt.Errorf(r.choices.Env+": "+format, args...), "%s", next)
	}
	wanted := r.choices.wanted()
	for _, i := range []*types.DBInstance{own, other, replaced} {
		if err := r.deleting(i); err != nil && !r.choices.discard {
			return err
		}
	}
	r.Begun = restoredTo(own) != "" || own == nil
	to := restoredTo(other)
	if other == nil {
		to = cmp.Or(restoredTo(own), restoredTo(replaced))
	}
	switch {
	case own == nil && other == nil && replaced == nil:
		return refuse("if it was deleted, tfpipeline apply -env "+r.choices.Env+", which makes an empty one, then "+line+" -snapshot ID", "there is no instance %s, and no other one to take its place", r.own)
	case r.choices.discard && restoredTo(own) != "":
		next := line + " -back"
		if replaced != nil {
			next = line + " " + flagOf(restoredTo(own)) + ", or " + next
		}
		return refuse(next, "Terraform has not adopted %s yet", r.own)
	case r.choices.discard && own != nil && (other != nil) != (replaced != nil):
		if other == nil {
			r.other = r.replaced
		}
		r.Steps = []string{"delete " + r.other + ", and what only it holds"}
	case r.choices.discard:
		return refuse("tfpipeline status -env "+r.choices.Env, "there is no instance besides %s to delete", r.own)
	case r.choices.back && other == nil && own != nil && replaced != nil:
		r.Steps = []string{give(r.own, r.other), give(r.replaced, r.own), adopt, restart}
	case r.choices.back && own == nil && replaced != nil:
		r.Steps = []string{give(r.replaced, r.own), adopt, restart}
	case r.choices.back && own != nil && other != nil && replaced == nil:
		r.Steps = []string{adopt, restart}
	case r.choices.back:
		return refuse("tfpipeline status -env "+r.choices.Env, "there is no instance of before to go back to")
	case own == nil && other == nil:
		return refuse(line+" -back", "there is no instance %s", r.own)
	case replaced != nil && to != wanted:
		return refuse(fmt.Sprintf("%s -back, then %s -discard, then %s", line, line, r.choices.Line()), "an earlier restore has left %s, the only one with backups of the time before it", r.replaced)
	case other != nil && to != wanted:
		return refuse(line+" -discard, which deletes it, then "+r.choices.Line(), "an earlier restore has left %s", r.other)
	case other == nil && replaced == nil:
		since := wanted
		r.source = r.own + " as of " + wanted
		if r.choices.snapshot != "" {
			r.source, since = "the snapshot "+wanted, "it was taken"
		} else if why, to := unrestorable(own, r.choices.at, r.began); why != "" {
			return refuse(line+" -to "+cmp.Or(to, "TIME"), "%s %s", r.own, why)
		}
		r.restores, r.Begun = true, false
		r.Steps = []string{"restore " + r.source + " to " + r.other + ", which takes AWS 10 minutes to hours", give(r.own, r.replaced) + ", and keep it: what was written since " + since + " is only there", give(r.other, r.own), adopt, restart}
	case own != nil && other != nil:
		r.Steps = []string{"wait until " + r.other + " is restored", give(r.own, r.replaced), give(r.other, r.own), adopt, restart}
	case own == nil:
		r.Steps = []string{give(r.other, r.own), adopt, restart}
	default:
		r.Steps = []string{adopt, restart}
	}
	return nil
}

// unrestorable says why RDS has no backup of an instance's data as of a time, and which
// time may be meant; "" if it has one. Backups begin with the instance, are kept for
// some days, and are about five minutes behind:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html
func unrestorable(i *types.DBInstance, at, now time.Time) (why, to string) {
	text := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	days := int(aws.ToInt32(i.BackupRetentionPeriod))
	if i.BackupRetentionPeriod != nil && days == 0 {
		return "has no automated backups: set Database.BackupRetentionDays and apply it", ""
	}
	begin := aws.ToTime(i.InstanceCreateTime)
	if kept := now.AddDate(0, 0, -days); days > 0 && kept.After(begin) {
		begin = kept
	}
	switch latest := i.LatestRestorableTime; {
	case latest != nil && at.After(*latest):
		return "can be restored as of " + text(*latest) + " at the latest, yet: its backups follow by some minutes", text(*latest)
	case at.Before(begin):
		return "can be restored as of " + text(begin) + " at the earliest: its backups begin there", ""
	}
	return "", ""
}

// deleting returns an error while RDS is still deleting the instance, since its name is
// not free yet.
func (r *Restoration) deleting(i *types.DBInstance) error {
	if i == nil || aws.ToString(i.DBInstanceStatus) != "deleting" {
		return nil
	}
	id := aws.ToString(i.DBInstanceIdentifier)
	return console.WithNext(fmt.Errorf("%s is still being deleted", id), "aws rds wait db-instance-deleted --db-instance-identifier %s, then %s", id, r.choices.Line())
}

// restoredTo is the time in an instance's tag; "" is none.
func restoredTo(i *types.DBInstance) string {
	if i == nil {
		return ""
	}
	return tagOf(i.TagList, restoredTag)
}

// Confirm shows the steps and asks for the environment's name.
func (r *Restoration) Confirm(ctx context.Context) error {
	out := r.account.console.Out
	fmt.Fprintf(out, "%s:\n", r.choices.Env)
	for i, s := range r.Steps {
		fmt.Fprintf(out, "  %d. %s\n", i+1, s)
	}
	if r.choices.Yes {
		return nil
	}
	return r.account.console.ConfirmName(ctx, "Type the environment's name to do this:", r.choices.Env)
}

// Do gives the database's name to the other instance, and returns the resource id of
// that instance, by which Terraform knows it.
func (r *Restoration) Do(ctx context.Context) (id string, err error) {
	if err := r.unchanged(ctx); err != nil {
		return "", err
	}
	if r.restores {
		if err := r.restore(ctx); err != nil {
			return "", err
		}
	}
	if len(r.renames) > 1 {
		if err := r.ready(ctx, r.renames[0].from, r.renames[1].from); err != nil {
			return "", err
		}
	}
	for _, name := range r.renames {
		if name.to == r.replaced {
			if err := r.mark(ctx, name.from); err != nil {
				return "", err
			}
		}
		if err := r.rename(ctx, name.from, name.to); err != nil {
			return "", err
		}
	}
	bears, err := r.await(ctx, r.own)
	if err != nil {
		return "", err
	}
	return resourceOf(bears), nil
}

// restore has RDS make the restored instance, with the settings of its source.
func (r *Restoration) restore(ctx context.Context) error {
	i, err := r.find(ctx, r.own)
	if err != nil {
		return err
	}
	if i == nil {
		return fmt.Errorf("restore %s: it is gone", r.own)
	}
	r.progress("restoring %s to %s", r.source, r.other)
	in := &rds.RestoreDBInstanceToPointInTimeInput{
		SourceDBInstanceIdentifier: &r.own, TargetDBInstanceIdentifier: &r.other, RestoreTime: &r.choices.at,
		DBInstanceClass: i.DBInstanceClass, MultiAZ: i.MultiAZ, StorageType: i.StorageType, PubliclyAccessible: aws.Bool(false),
		AutoMinorVersionUpgrade: i.AutoMinorVersionUpgrade, CopyTagsToSnapshot: i.CopyTagsToSnapshot, DeletionProtection: i.DeletionProtection,
		Tags: []types.Tag{
			{Key: aws.String("Environment"), Value: &r.choices.Env}, {Key: aws.String("Platform"), Value: &r.account.platform.Name},
			{Key: aws.String(restoredTag), Value: aws.String(r.choices.wanted())},
		},
	}
	if i.DBSubnetGroup != nil {
		in.DBSubnetGroupName = i.DBSubnetGroup.DBSubnetGroupName
	}
	for _, g := range i.DBParameterGroups {
		in.DBParameterGroupName = g.DBParameterGroupName
	}
	for _, g := range i.VpcSecurityGroups {
		in.VpcSecurityGroupIds = append(in.VpcSecurityGroupIds, aws.ToString(g.VpcSecurityGroupId))
	}
	if r.choices.snapshot == "" {
		_, err = r.client.RestoreDBInstanceToPointInTime(ctx, in)
	} else {
		_, err = r.client.RestoreDBInstanceFromDBSnapshot(ctx, fromSnapshot(r.choices.snapshot, in))
	}
	if _, exists := errors.AsType[*types.DBInstanceAlreadyExistsFault](err); exists {
		// The answer to the first attempt of this call was lost.
		if i, findErr := r.find(ctx, r.other); findErr == nil && restoredTo(i) == r.choices.wanted() {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", r.own, err)
	}
	return nil
}

const (
	// readyLooks is how often in a row both instances have to be available before the
	// first of them loses its name.
	readyLooks = 2
	// firstBackup bounds the wait for a sign that the first backup of the restored
	// instance has ended.
	firstBackup = 15 * time.Minute
)

// ready waits until neither instance is busy or about to be. From the first renaming to
// the second nobody reaches the database, and RDS renames only an instance that is
// available. It does not wait if an earlier run has made the first renaming.
func (r *Restoration) ready(ctx context.Context, first, second string) error {
	looks, since := 0, time.Time{}
	return r.poll(ctx, second, func() (string, bool, error) {
		goes, err := r.find(ctx, first)
		if err != nil || goes == nil || statusOf(goes) == "renaming" {
			return "", err == nil, err
		}
		comes, err := r.find(ctx, second)
		if err != nil {
			return "", false, err
		}
		if statusOf(goes) != "available" || statusOf(comes) != "available" {
			looks, since = 0, time.Time{}
			return fmt.Sprintf("%s, and %s is %s", statusOf(comes), first, statusOf(goes)), false, cmp.Or(r.stuck(comes), r.stuck(goes))
		}
		if looks++; since.IsZero() {
			since = time.Now()
		}
		if goes.LatestRestorableTime != nil && comes.LatestRestorableTime == nil && time.Since(since) < firstBackup {
			return "available, and its first backup has not ended yet", false, nil
		}
		return "available", looks >= readyLooks, nil
	})
}

// mark tags the former instance: once Terraform has removed the tag from the restored
// one, a later run still knows what was restored.
func (r *Restoration) mark(ctx context.Context, identifier string) error {
	return r.poll(ctx, identifier, func() (string, bool, error) {
		i, err := r.find(ctx, identifier)
		if err != nil || i == nil {
			return "", true, err // nil: an earlier run has marked and renamed it
		}
		tag := types.Tag{Key: aws.String(restoredTag), Value: aws.String(r.choices.wanted())}
		if _, err := r.client.AddTagsToResource(ctx, &rds.AddTagsToResourceInput{ResourceName: i.DBInstanceArn, Tags: []types.Tag{tag}}); err != nil {
			return "", false, fmt.Errorf("tag %s: %w", identifier, err)
		}
		return "", true, nil
	})
}

// rename gives an instance another name, and returns when it has that name and the old
// one is free. RDS may be at it already, for an earlier run or for a call whose answer
// was lost. It then refuses the call, and shows within a minute what it is doing.
func (r *Restoration) rename(ctx context.Context, from, to string) error {
	asked, refused := false, time.Time{}
	return r.poll(ctx, from, func() (status string, done bool, err error) {
		old, err := r.find(ctx, from)
		if err != nil {
			return "", false, err
		}
		named, err := r.find(ctx, to)
		if err != nil {
			return "", false, err
		}
		status = statusOf(old)
		switch {
		case old == nil && named != nil:
			// The renamed instance may be busy with a backup for hours, which does not
			// matter.
			return "", statusOf(named) != "renaming", nil
		case old != nil && named != nil && resourceOf(old) != resourceOf(named):
			return "", false, fmt.Errorf("rename %s to %s: there is another instance %s", from, to, to)
		case !asked && named == nil && status == "available":
			r.progress("renaming %s to %s", from, to)
			_, err := r.client.ModifyDBInstance(ctx, &rds.ModifyDBInstanceInput{DBInstanceIdentifier: &from, NewDBInstanceIdentifier: &to, ApplyImmediately: aws.Bool(true)})
			if asked = err == nil; asked {
				return "", false, nil
			}
			if refused.IsZero() {
				refused = time.Now()
			}
			if underWay(err) && time.Since(refused) < restoreTold {
				return "", false, nil
			}
			return "", false, fmt.Errorf("rename %s to %s: %w", from, to, err)
		}
		return status + ", and not renamed to " + to + " yet", false, r.stuck(old)
	})
}

// underWay reports whether RDS may have refused a change because it is already making
// that very change.
func underWay(err error) bool {
	_, state := errors.AsType[*types.InvalidDBInstanceStateFault](err)
	_, gone := errors.AsType[*types.DBInstanceNotFoundFault](err)
	_, exists := errors.AsType[*types.DBInstanceAlreadyExistsFault](err)
	return state || gone || exists
}

// transient reports whether the same call may succeed later: AWS did not answer, or
// refuses it only for a while.
func transient(err error) bool {
	_, call := errors.AsType[*smithy.OperationError](err)
	_, answered := errors.AsType[smithy.APIError](err)
	return call && (!answered || retry.NewStandard().IsErrorRetryable(err))
}

// resourceOf is RDS's id of an instance, which no change of its name changes; "" is none.
func resourceOf(i *types.DBInstance) string {
	if i == nil {
		return ""
	}
	return aws.ToString(i.DbiResourceId)
}

// statusOf is an instance's status in RDS's words.
func statusOf(i *types.DBInstance) string {
	if i == nil {
		return "not there yet"
	}
	return aws.ToString(i.DBInstanceStatus)
}

// stuck returns an error for an instance that does not become available by itself.
func (r *Restoration) stuck(i *types.DBInstance) error {
	status := statusOf(i)
	switch {
	case status == "stopped":
		id := aws.ToString(i.DBInstanceIdentifier)
		return console.WithNext(fmt.Errorf("%s is stopped", id), "aws rds start-db-instance --db-instance-identifier %s, then %s", id, r.choices.Line())
	case status == "failed", strings.HasPrefix(status, "incompatible"):
		id := aws.ToString(i.DBInstanceIdentifier)
		return console.WithNext(fmt.Errorf("%s is %s", id, status), "aws rds describe-events --source-type db-instance --source-identifier %s", id)
	}
	return r.deleting(i)
}

// restorePoll is the pause between two looks at an instance, and restoreTold the one
// between two reports on it.
const restorePoll, restoreTold = 10 * time.Second, time.Minute

// poll looks at an instance until done reports true. The lease bounds it. A failed call
// that may succeed later does not end it, since the database may have no name
// meanwhile.
func (r *Restoration) poll(ctx context.Context, identifier string, look func() (status string, done bool, err error)) error {
	failing := false
	for told := time.Now(); ; {
		status, done, err := look()
		due := time.Since(told) >= restoreTold
		switch {
		case err == nil && done, err != nil && !transient(err):
			return err
		case err != nil && ctx.Err() == nil && (due || !failing):
			told = time.Now()
			r.progress("warning: trying anew every %s: %v", restorePoll, err)
		case err == nil && status != "" && due:
			told = time.Now()
			r.progress("%s is %s", identifier, status)
		}
		failing = err != nil
		if !calls.Pause(ctx, restorePoll) {
			return fmt.Errorf("wait for %s: %w", identifier, context.Cause(ctx))
		}
	}
}

// await waits until an instance is available.
func (r *Restoration) await(ctx context.Context, identifier string) (i *types.DBInstance, err error) {
	err = r.poll(ctx, identifier, func() (string, bool, error) {
		if i, err = r.find(ctx, identifier); err != nil {
			return "", false, err
		}
		return statusOf(i), statusOf(i) == "available", r.stuck(i)
	})
	return i, err
}

// find returns an instance, or nil if there is none.
func (r *Restoration) find(ctx context.Context, identifier string) (*types.DBInstance, error) {
	out, err := r.client.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &identifier})
	if _, none := errors.AsType[*types.DBInstanceNotFoundFault](err); none || err == nil && len(out.DBInstances) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", identifier, err)
	}
	return &out.DBInstances[0], nil
}

// Discard deletes the instance that does not have the database's name, and returns when
// it is gone. In a protected environment a snapshot and its backups stay.
func (r *Restoration) Discard(ctx context.Context) error {
	if err := r.unchanged(ctx); err != nil {
		return err
	}
	i, err := r.find(ctx, r.other)
	if err != nil {
		return err
	}
	kept := ""
	if i != nil && r.deleting(i) == nil { // otherwise an earlier run has asked for the deletion
		if kept, err = r.delete(ctx); err != nil {
			return err
		}
	}
	if err := r.poll(ctx, r.other, func() (string, bool, error) {
		i, err := r.find(ctx, r.other)
		return statusOf(i), err == nil && i == nil, err
	}); err != nil {
		return err
	}
	r.account.console.Answer("%s: %s is deleted%s", r.choices.Env, r.other, kept)
	return nil
}

// delete has RDS delete the instance, and reports what is kept of it.
func (r *Restoration) delete(ctx context.Context) (kept string, err error) {
	in := &rds.DeleteDBInstanceInput{DBInstanceIdentifier: &r.other, SkipFinalSnapshot: aws.Bool(true)}
	if r.account.platform.Protects(r.choices.Env) {
		if _, err := r.client.ModifyDBInstance(ctx, &rds.ModifyDBInstanceInput{DBInstanceIdentifier: &r.other, DeletionProtection: aws.Bool(false), ApplyImmediately: aws.Bool(true)}); err != nil {
			return "", fmt.Errorf("take the deletion protection from %s: %w", r.other, err)
		}
		if _, err := r.await(ctx, r.other); err != nil {
			return "", err
		}
		snapshot := r.other + "-" + r.began.UTC().Format("20060102150405")
		in.SkipFinalSnapshot, in.FinalDBSnapshotIdentifier, in.DeleteAutomatedBackups = aws.Bool(false), &snapshot, aws.Bool(false)
		kept = "; its snapshot is " + snapshot + ", and its backups are kept until they expire"
	}
	r.progress("deleting %s%s", r.other, kept)
	_, err = r.client.DeleteDBInstance(ctx, in)
	if underWay(err) { // the answer to the first attempt of this call may have been lost
		if i, findErr := r.find(ctx, r.other); findErr == nil && (i == nil || r.deleting(i) != nil) {
			err = nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("delete %s: %w", r.other, err)
	}
	return kept, nil
}

// Print says which instance has the name, what is kept, and how long it took.
func (r *Restoration) Print() {
	what, kept := "the data as of "+r.choices.to, r.replaced
	switch {
	case r.choices.snapshot != "":
		what = "the data of the snapshot " + r.choices.snapshot
	case r.choices.back:
		what, kept = "the data of before", r.other
	}
	r.account.console.Answer("%s: %s holds %s (%s); %s is kept", r.choices.Env, r.own, what, time.Since(r.began).Round(time.Second), kept)
}

// Suggest says how to go back, and how to delete what is kept.
func (r *Restoration) Suggest() {
	line := "tfpipeline restore -env " + r.choices.Env
	if r.choices.back {
		r.account.console.Suggest("%s -discard, once nobody needs what was restored", line)
		return
	}
	r.account.console.Suggest("%s -back, to go back; or -discard, once nobody needs what was written since", line)
}

func (r *Restoration) progress(format string, args ...any) {
	r.account.console.Progress("%s: "+format, append([]any{r.choices.Env}, args...)...)
}

// DatabaseAddress is the Terraform address of the database in the root of every
// environment.
const DatabaseAddress = "module.database.aws_db_instance.this"

// DatabaseServices are the services that use the database.
func (a *Account) DatabaseServices() (names []string) {
	for _, s := range a.platform.Services {
		if s.Database {
			names = append(names, s.Name)
		}
	}
	return names
}
