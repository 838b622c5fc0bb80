package ecs

import (
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Service deployments: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
// Stopping them: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stop-service-deployment.html
// There is no state FAILED: what fails ends in STOPPED, or in a rollback's
// states. A rollback belongs to the service deployment that failed. Not
// modelled: that they are forgotten after ninety days.

type serviceDeployment struct {
	api     types.ServiceDeployment
	service *service
	target  *deployment
	sources []*deployment
	tripped bool
	ended   *types.ServiceDeployment // as it was when it ended
}

func (w *serviceDeployment) arn() string { return *w.api.ServiceDeploymentArn }

// over says whether it has come to its end.
func (w *serviceDeployment) over() bool { return w.ended != nil }

func (m *model) newServiceDeployment(s *service, target *deployment) *serviceDeployment {
	now := m.agenda.now
	w := &serviceDeployment{service: s, target: target, sources: slices.Clone(s.deployments)}
	w.api = types.ServiceDeployment{
		ServiceDeploymentArn: new(m.arn("service-deployment/%s/%s/%s", s.cluster.name(), s.name(), nanoid())),
		ServiceArn:           s.api.ServiceArn,
		ClusterArn:           s.api.ClusterArn,
		CreatedAt:            &now,
		UpdatedAt:            &now,
		Status:               types.ServiceDeploymentStatusPending,
	}
	m.history[w.arn()] = w
	return w
}

// begin starts the current service deployment, or the rollback that was requested
// of it.
func (m *model) begin(s *service) {
	w := s.current()
	switch w.api.Status {
	case types.ServiceDeploymentStatusPending:
		w.api.Status = types.ServiceDeploymentStatusInProgress
		w.api.StartedAt, w.api.UpdatedAt = new(m.agenda.now), new(m.agenda.now)
	case types.ServiceDeploymentStatusRollbackRequested:
		d := s.primary()
		m.change(d, types.DeploymentRolloutStateFailed, "ECS deployment %s was stopped.", d.id)
		m.rollBack(s, d, reasonRequested)
	}
}

// finish ends a service deployment, and saves how it was described then.
func (m *model) finish(w *serviceDeployment, status types.ServiceDeploymentStatus, reason string) {
	now := m.agenda.now
	w.api.Status, w.api.FinishedAt, w.api.UpdatedAt = status, &now, &now
	w.api.StatusReason = nil
	if reason != "" {
		w.api.StatusReason = &reason
	}
	if status == types.ServiceDeploymentStatusStopped {
		w.api.StoppedAt = &now
	}
	ended := m.describeServiceDeployment(w)
	w.ended = &ended
}

func (m *model) describeServiceDeployment(w *serviceDeployment) types.ServiceDeployment {
	if w.ended != nil {
		return *w.ended
	}
	s, out := w.service, w.api
	config := *s.api.DeploymentConfiguration
	out.DeploymentConfiguration = &config
	breaker := &types.ServiceDeploymentCircuitBreaker{
		Status:       types.ServiceDeploymentRollbackMonitorsStatusDisabled,
		FailureCount: int32(w.target.failures),
		Threshold:    int32(s.threshold()),
	}
	switch {
	case !s.breaker().Enable:
	case w.tripped:
		breaker.Status = types.ServiceDeploymentRollbackMonitorsStatusTriggered
	case out.FinishedAt != nil:
		breaker.Status = types.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete
	default:
		breaker.Status = types.ServiceDeploymentRollbackMonitorsStatusMonitoring
	}
	out.DeploymentCircuitBreaker = breaker
	out.TargetServiceRevision = m.summarize(s, w.target)
	out.SourceServiceRevisions = []types.ServiceRevisionSummary{}
	for _, d := range w.sources {
		out.SourceServiceRevisions = append(out.SourceServiceRevisions, *m.summarize(s, d))
	}
	return out
}

// summarize counts the tasks of a revision.
func (m *model) summarize(s *service, d *deployment) *types.ServiceRevisionSummary {
	n := m.count(s, d)
	requested := n.alive
	if d == s.primary() {
		requested = s.desired()
	}
	return &types.ServiceRevisionSummary{
		Arn: new(d.shape.arn()), RequestedTaskCount: int32(requested),
		RunningTaskCount: int32(n.running), PendingTaskCount: int32(n.pending),
	}
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
// The newest come first.
func (r *Runtime) listServiceDeployments(in *sdk.ListServiceDeploymentsInput) (*sdk.ListServiceDeploymentsOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	s := r.service(c, value(in.Service))
	if s == nil {
		return nil, refuse("ServiceNotFoundException", "Service not found.")
	}
	briefs := []types.ServiceDeploymentBrief{}
	for _, w := range slices.Backward(s.history) {
		at := *w.api.CreatedAt
		span := value(in.CreatedAt)
		if len(in.Status) > 0 && !slices.Contains(in.Status, w.api.Status) ||
			span.After != nil && !at.After(*span.After) ||
			span.Before != nil && !at.Before(*span.Before) || r.reads.behind(w.api.CreatedAt) {
			continue
		}
		briefs = append(briefs, types.ServiceDeploymentBrief{
			ServiceDeploymentArn: new(w.arn()), ServiceArn: w.api.ServiceArn, ClusterArn: w.api.ClusterArn,
			CreatedAt: w.api.CreatedAt, StartedAt: w.api.StartedAt, FinishedAt: w.api.FinishedAt,
			Status: w.api.Status, StatusReason: w.api.StatusReason,
			TargetServiceRevisionArn: new(w.target.shape.arn()),
		})
	}
	briefs, next, err := page(briefs, in.MaxResults, 20, 100, in.NextToken)
	return &sdk.ListServiceDeploymentsOutput{ServiceDeployments: briefs, NextToken: next}, err
}

func (r *Runtime) describeServiceDeployments(in *sdk.DescribeServiceDeploymentsInput) (*sdk.DescribeServiceDeploymentsOutput, error) {
	if n := len(in.ServiceDeploymentArns); n == 0 || n > 20 {
		return nil, refuse(invalidParameter, "serviceDeploymentArns must have between 1 and 20 entries.")
	}
	out := &sdk.DescribeServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeployment{}, Failures: []types.Failure{}}
	for _, arn := range in.ServiceDeploymentArns {
		if w := r.history[arn]; w != nil {
			if seen, ok := r.seenDeployment(w); ok {
				out.ServiceDeployments = append(out.ServiceDeployments, seen)
				continue
			}
		}
		out.Failures = append(out.Failures, missing(arn))
	}
	return out, nil
}

func (r *Runtime) stopServiceDeployment(in *sdk.StopServiceDeploymentInput) (*sdk.StopServiceDeploymentOutput, error) {
	w := r.history[value(in.ServiceDeploymentArn)]
	if w == nil {
		return nil, refuse("ServiceDeploymentNotFoundException", "Service deployment not found.")
	}
	if in.StopType != "" && in.StopType != types.StopServiceDeploymentStopTypeRollback {
		return nil, refuse("UnsupportedFeatureException", "The stop type %s is not supported.", in.StopType)
	}
	if w.over() {
		return nil, refuse("ConflictException", "The service deployment has the status %s and cannot be stopped.", w.api.Status)
	}
	switch w.api.Status {
	case types.ServiceDeploymentStatusPending, types.ServiceDeploymentStatusInProgress:
		r.changing(w.service)
		w.api.Status = types.ServiceDeploymentStatusRollbackRequested
		w.api.UpdatedAt = new(r.agenda.now)
		r.wake(w.service)
	}
	return &sdk.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}
