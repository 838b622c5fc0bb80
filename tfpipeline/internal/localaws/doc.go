// Package localaws is an AWS that runs on a laptop: one HTTP endpoint on a
// loopback port that Terraform, its provider and the SDK take for all of AWS.
//
// Start gives the endpoint alone. StartCloud also runs what is created in it:
// see the packages task (tasks as processes), balancer (load balancers) and
// postgres (database instances); Transport makes the domains reachable.
//
// It starts moto_server, which keeps what Terraform manages, and stands before
// it. Requests are routed by the service in the scope of their signature.
// Each is passed on, answered here, or passed on and repaired.
//
// # Answered here
//
//   - Amazon ECS, by Options.ECS.
//   - ElastiCache for Redis: parameter, subnet and replication groups, their
//     member clusters, tags.
//   - Application Auto Scaling of ECS services: targets, policies, scheduled
//     actions, tags. Nothing is ever scaled, and policies create no alarms.
//   - Schedules of EventBridge Scheduler whose target is ECS run in a Cloud: under
//     the schedule's role, with its retries. Rates pass faster, by Speed.
//   - ECR's images: true digests, re-tagged manifests, immutable tags, manifest
//     lists, lifecycle policies when ExpireImages is called. Layers are not
//     stored, so there is no docker push.
//   - Target health, by Options.TargetHealth.
//   - Access: a role that was assumed through STS, by a token or by a caller that
//     it trusts, may do what its policies allow, as Terraform made them; package
//     iam judges. Tasks have the credentials of their roles. All others are the
//     administrator's.
//   - RDS: an instance restored to a point in time holds what the other one held then,
//     one made of a snapshot what the snapshot's held when it was taken, and an instance
//     that is renamed is reached at the address of its new name. All are done at once.
//   - Names: a call that names a subnet, security group, target group, role,
//     namespace or certificate that is not there, or not yet ready, is refused
//     as AWS refuses it; so are tags and tokens that AWS's patterns refuse.
//   - Service-linked roles: ECS and RDS refuse the first cluster and the first
//     instance of an account that lacks theirs, and make the role.
//
// # Repaired
//
//   - RDS: performance insights, monitoring, resource IDs, who set a parameter,
//     and, by Options.Database, where an instance really listens.
//   - EC2: descriptions of security group rules that name another group; the
//     network interface of a NAT gateway goes with it, and the gateway fails in
//     a network without an internet gateway.
//   - ACM: a certificate is issued once its record is in a hosted zone.
//   - Elastic Load Balancing: deletion protection is enforced.
//   - S3: of conditional writes at once, one wins.
//   - SQS: no message is lost between users at once, nor given to a receiver that
//     has gone.
//   - Operations that moto lacks fail at once, with their name. moto answers
//     500, which clients retry for minutes.
//
// # Not modelled
//
// Signatures: of requests, and of the tokens that roles are assumed with. The
// policies of resources, such as a bucket's. Whether a task may pull its image.
// Networks: security groups and routes have no effect. DNS: names of load
// balancers and caches resolve nowhere, those of databases without StartCloud.
// Names of Service Connect lead nowhere but by HTTP, through the proxy that
// StartCloud gives each task; see the package proxy.
// Redis: a cache has nothing behind it. CloudWatch: alarms are never evaluated.
// Time: everything is available when it is asked for next, though the provider
// waits by timers of its own (RDS 80 s, a load balancer 60 s); maintenance
// windows, for which RDS and ElastiCache defer changes, pass when Maintain is
// called. Dependencies that
// AWS refuses to break, such as a security group in use. State is in memory and
// ends with the endpoint.
package localaws
