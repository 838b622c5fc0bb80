# What the local endpoint answers or repairs, apart from what the provider
# takes more than half a minute for. Modules are the platform's own.
terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  backend "s3" {
    bucket       = "state"
    key          = "layers.tfstate"
    region       = "us-west-2"
    use_lockfile = true
  }
}

variable "changed" {
  type    = bool
  default = false
}

provider "aws" {
  region              = "us-west-2"
  allowed_account_ids = ["123456789012"]

  default_tags {
    tags = {
      Environment = "layers"
    }
  }
}

module "repository" {
  source = "../../modules/repository"

  name = "layers/api"
}

module "network" {
  source = "../../modules/network"

  availability_zones = ["us-west-2a", "us-west-2b"]
  cidr_block         = "10.30.0.0/16"
  flow_logs          = { bucket_arn = module.bucket.arn }
  name               = "layers"
  region             = "us-west-2"
}

module "bucket" {
  source = "../../modules/bucket"

  account   = "123456789012"
  logs      = { load-balancer = 30, network = 14 }
  name      = "layers-logs-123456789012"
  region    = "us-west-2"
  versioned = true
}

module "cache" {
  source = "../../modules/cache"

  apply_immediately = true

  engine_version = "7.1"
  name           = "layers"
  node_count     = 2
  node_type      = var.changed ? "cache.t4g.small" : "cache.t4g.micro"
  subnet_ids     = module.network.isolated_subnet_ids
  vpc_id         = module.network.vpc_id
}

resource "aws_elasticache_parameter_group" "this" {
  name   = "layers"
  family = "redis7"

  parameter {
    name  = "maxmemory-policy"
    value = var.changed ? "allkeys-lru" : "volatile-lru"
  }
}

resource "aws_db_subnet_group" "this" {
  name       = "layers"
  subnet_ids = module.network.isolated_subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name   = "layers"
  family = "postgres16"

  parameter {
    name  = "log_min_duration_statement"
    value = var.changed ? "500" : "1000"
  }
}

resource "aws_security_group" "this" {
  name        = "layers"
  description = "Layers"
  vpc_id      = module.network.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "from_cache" {
  security_group_id            = aws_security_group.this.id
  description                  = var.changed ? "from the cache, changed" : "from the cache"
  referenced_security_group_id = module.cache.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 80
  to_port                      = 80
}

resource "aws_vpc_security_group_egress_rule" "to_cache" {
  security_group_id            = aws_security_group.this.id
  description                  = "all to the cache"
  referenced_security_group_id = module.cache.security_group_id
  ip_protocol                  = "-1"
}

module "cluster" {
  source = "../../modules/cluster"

  name = "layers"
}

module "service" {
  source = "../../modules/service"

  account              = "123456789012"
  alarms               = { cpu_percent = 80, http_5xx = 10, memory_percent = 80, period_seconds = 300, topic_arn = "arn:aws:sns:us-west-2:123456789012:layers" }
  autoscaling          = var.changed ? { max_tasks = 7, min_tasks = 2, target_cpu_percent = 60 } : null
  cluster_name         = module.cluster.name
  cpu                  = 256
  environment_name     = "layers"
  health_check         = { command = ["CMD", "/bin/check"] }
  image                = "${module.repository.url}:template"
  memory               = 512
  name                 = "api"
  namespace_arn        = module.cluster.namespace_arn
  permissions_boundary = "arn:aws:iam::123456789012:policy/layers"
  platform             = "layers"
  port                 = 3001
  region               = "us-west-2"
  repository_arn       = module.repository.arn
  subnet_ids           = module.network.private_subnet_ids
  vpc_id               = module.network.vpc_id
}

resource "aws_appautoscaling_scheduled_action" "this" {
  count = var.changed ? 1 : 0

  name               = "layers-night"
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${module.cluster.name}/${module.service.name}"
  schedule           = "cron(0 2 * * ? *)"
  timezone           = "Europe/Berlin"

  depends_on = [module.service]

  scalable_target_action {
    min_capacity = 0
    max_capacity = 1
  }
}

resource "aws_iam_role" "this" {
  name = "layers"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_sns_topic" "this" {
  name = "layers-alarms"
}

module "schedules" {
  source = "../../modules/schedules"

  account              = "123456789012"
  cluster_name         = module.cluster.name
  environment_name     = "staging"
  permissions_boundary = "arn:aws:iam::123456789012:policy/layers"
  platform             = "layers"
  region               = "us-west-2"
  schedules = {
    report = {
      absent_after      = 264600
      expression        = "cron(0 6 ? * MON-FRI *)"
      maximum_age       = 3600
      retries           = 3
      security_group_id = aws_security_group.this.id
      template_arn      = module.service.template_arn
      time_zone         = "Europe/Berlin"
    }
  }
  subnet_ids = module.network.private_subnet_ids
  topic_arn  = aws_sns_topic.this.arn
}
