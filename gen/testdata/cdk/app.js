// The platform of the benchmark as a CDK app: two environments of three services
// behind a load balancer, with PostgreSQL, Redis, secrets and alarms.
const cdk = require('aws-cdk-lib');
const { aws_ec2: ec2, aws_ecs: ecs, aws_rds: rds, aws_elasticache: cache, aws_logs: logs } = cdk;
const { aws_secretsmanager: secrets, aws_elasticloadbalancingv2: elb, aws_cloudwatch: cw, aws_ecr: ecr } = cdk;

const services = [
  { name: 'api', port: 3001, routes: ['/api/*', '/oauth/*', '/.well-known/*'], priority: 100 },
  { name: 'frontend', port: 3000 },
  { name: 'mcp', port: 3002, routes: ['/mcp', '/mcp/*'], priority: 200 },
];

class Environment extends cdk.Stack {
  get availabilityZones() { return ['us-west-2a', 'us-west-2b']; } // or the CLI asks AWS

  constructor(app, name, size) {
    super(app, name, { env: { account: '123456789012', region: 'us-west-2' } });
    const vpc = new ec2.Vpc(this, 'Vpc', { ipAddresses: ec2.IpAddresses.cidr(size.cidr), natGateways: size.nat });
    const cluster = new ecs.Cluster(this, 'Cluster', { vpc, defaultCloudMapNamespace: { name: `${name}.local`, useForServiceConnect: true } });
    const database = new rds.DatabaseInstance(this, 'Database', {
      vpc, engine: rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_16 }), multiAz: size.protected,
      instanceType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.SMALL), allocatedStorage: 20, storageEncrypted: true,
      deletionProtection: size.protected, credentials: rds.Credentials.fromGeneratedSecret('app', { secretName: `${name}/db-credentials` }),
    });
    const redisGroup = new ec2.SecurityGroup(this, 'RedisGroup', { vpc });
    const subnets = new cache.CfnSubnetGroup(this, 'RedisSubnets', { description: 'redis', subnetIds: vpc.privateSubnets.map((s) => s.subnetId) });
    new cache.CfnReplicationGroup(this, 'Redis', {
      replicationGroupDescription: 'redis', engine: 'redis', cacheNodeType: 'cache.t4g.micro', numCacheClusters: 1, transitEncryptionEnabled: true,
      atRestEncryptionEnabled: true, cacheSubnetGroupName: subnets.ref, securityGroupIds: [redisGroup.securityGroupId],
    });
    const session = new secrets.Secret(this, 'Session', { secretName: `${name}/session-secret`, generateSecretString: { passwordLength: 64 } });
    const balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', { vpc, internetFacing: true });
    const listener = balancer.addListener('Http', { port: 80, defaultAction: elb.ListenerAction.fixedResponse(404) });
    for (const s of services) {
      const task = new ecs.FargateTaskDefinition(this, `${s.name}Task`, { cpu: 256, memoryLimitMiB: 512 });
      task.addContainer(s.name, {
        image: ecs.ContainerImage.fromEcrRepository(ecr.Repository.fromRepositoryName(this, `${s.name}Repository`, s.name)),
        portMappings: [{ name: s.name, containerPort: s.port }], environment: { APP_ENV: name, PORT: String(s.port), DB_HOST: database.dbInstanceEndpointAddress },
        secrets: { SESSION_SECRET: ecs.Secret.fromSecretsManager(session), DB_PASSWORD: ecs.Secret.fromSecretsManager(database.secret, 'password') },
        logging: ecs.LogDrivers.awsLogs({ streamPrefix: s.name, logGroup: new logs.LogGroup(this, `${s.name}Log`, { retention: 30 }) }),
      });
      const service = new ecs.FargateService(this, s.name, { cluster, taskDefinition: task, desiredCount: size.tasks, circuitBreaker: { rollback: true }, serviceConnectConfiguration: {} });
      service.connections.allowTo(database, ec2.Port.tcp(5432));
      service.connections.allowTo(redisGroup, ec2.Port.tcp(6379));
      listener.addTargets(`${s.name}Target`, {
        port: s.port, protocol: elb.ApplicationProtocol.HTTP, targets: [service], healthCheck: { path: '/health' },
        priority: s.priority || 300, conditions: [elb.ListenerCondition.pathPatterns(s.routes || ['/*'])],
      });
      service.autoScaleTaskCount({ minCapacity: size.tasks, maxCapacity: 6 }).scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: 60 });
      for (const metric of [service.metricCpuUtilization(), service.metricMemoryUtilization()]) {
        new cw.Alarm(this, `${s.name}${metric.metricName}`, { metric, threshold: 80, evaluationPeriods: 1 });
      }
    }
  }
}

const app = new cdk.App();
new Environment(app, 'staging', { cidr: '10.10.0.0/16', nat: 1, tasks: 1, protected: false });
new Environment(app, 'production', { cidr: '10.20.0.0/16', nat: 2, tasks: 2, protected: true });
