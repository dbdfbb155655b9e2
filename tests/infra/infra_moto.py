"""How each AWS resource of the program is made in moto: the boto3 call that the provider would make, by resource type.

A maker takes the recorded inputs (wire names) and gives the id and the outputs that the program reads. botocore
checks every parameter against AWS's own models, so a wrong name or kind fails here too.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pulumi
from infra_harness import REGION

ACCOUNT = "123456789012"  # moto's own
Made = tuple[str, dict[str, Any]]


class Clients(Protocol):
    """Gives boto3 clients by service name."""

    def client(self, service: str) -> Any: ...


def upper_first(value: Any) -> Any:
    """Pulumi's camelCase names to the CamelCase of AWS's own APIs."""
    if isinstance(value, Mapping):
        return {key[0].upper() + key[1:]: upper_first(item) for key, item in value.items()}
    return [upper_first(item) for item in value] if isinstance(value, list) else value


def _bucket(world: Clients, given: dict[str, Any]) -> Made:
    world.client("s3").create_bucket(Bucket=given["bucket"], CreateBucketConfiguration={"LocationConstraint": REGION})
    return given["bucket"], {"arn": f"arn:aws:s3:::{given['bucket']}"}


def _of_bucket(
    operation: str, parameters: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[Clients, dict[str, Any]], Made]:
    def make(world: Clients, given: dict[str, Any]) -> Made:
        getattr(world.client("s3"), operation)(Bucket=given["bucket"], **parameters(given))
        return given["bucket"], {}

    return make


def _lifecycle(given: dict[str, Any]) -> dict[str, Any]:
    rules = []
    for rule in given["rules"]:
        actions = {name: value for name, value in rule.items() if name not in ("id", "status", "filter")}
        rules.append(
            {
                "ID": rule["id"],
                "Status": rule["status"],
                "Filter": {"Prefix": rule["filter"]["prefix"]},
                **upper_first(actions),
            }
        )
    return {"LifecycleConfiguration": {"Rules": rules}}


def _encryption(given: dict[str, Any]) -> dict[str, Any]:
    by_default = [rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] for rule in given["rules"]]
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}} for algorithm in by_default]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _notification(given: dict[str, Any]) -> dict[str, Any]:
    queues = [
        {
            "Id": queue["id"],
            "QueueArn": queue["queueArn"],
            "Events": queue["events"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": queue["filterPrefix"]}]}},
        }
        for queue in given["queues"]
    ]
    return {"NotificationConfiguration": {"QueueConfigurations": queues}}


def _public_access_block(given: dict[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in given.items() if key != "bucket"}
    return {"PublicAccessBlockConfiguration": upper_first(settings)}


def _role(world: Clients, given: dict[str, Any]) -> Made:
    role = world.client("iam").create_role(RoleName=given["name"], AssumeRolePolicyDocument=given["assumeRolePolicy"])
    return given["name"], {"arn": role["Role"]["Arn"]}


def _role_policy(world: Clients, given: dict[str, Any]) -> Made:
    name = given.get("name", "inline")
    world.client("iam").put_role_policy(RoleName=given["role"], PolicyName=name, PolicyDocument=given["policy"])
    return f"{given['role']}:{name}", {}


def _policy(world: Clients, given: dict[str, Any]) -> Made:
    made = world.client("iam").create_policy(PolicyName=given["name"], PolicyDocument=given["policy"])["Policy"]
    return made["Arn"], {"arn": made["Arn"]}


def _log_group(world: Clients, given: dict[str, Any]) -> Made:
    world.client("logs").create_log_group(logGroupName=given["name"])
    world.client("logs").put_retention_policy(logGroupName=given["name"], retentionInDays=given["retentionInDays"])
    return given["name"], {"arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{given['name']}"}


def _log_stream(world: Clients, given: dict[str, Any]) -> Made:
    group, name = given["logGroupName"], given["name"]
    world.client("logs").create_log_stream(logGroupName=group, logStreamName=name)
    return name, {"arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{name}"}


def _stream(world: Clients, given: dict[str, Any]) -> Made:
    target = given["extendedS3Configuration"]
    made = world.client("firehose").create_delivery_stream(
        DeliveryStreamName=given["name"],
        DeliveryStreamType="DirectPut",
        DeliveryStreamEncryptionConfigurationInput={"KeyType": given["serverSideEncryption"]["keyType"]},
        ExtendedS3DestinationConfiguration={
            "BucketARN": target["bucketArn"],
            "RoleARN": target["roleArn"],
            "Prefix": target["prefix"],
            "ErrorOutputPrefix": target["errorOutputPrefix"],
            "CompressionFormat": target["compressionFormat"],
            "BufferingHints": {"SizeInMBs": target["bufferingSize"], "IntervalInSeconds": target["bufferingInterval"]},
            "CloudWatchLoggingOptions": upper_first(target["cloudwatchLoggingOptions"]),
        },
    )
    return given["name"], {"arn": made["DeliveryStreamARN"]}


def _queue(world: Clients, given: dict[str, Any]) -> Made:
    attributes = {
        "SqsManagedSseEnabled": str(given["sqsManagedSseEnabled"]).lower(),
        "MessageRetentionPeriod": str(given["messageRetentionSeconds"]),
    }
    if "redrivePolicy" in given:
        attributes |= {
            "RedrivePolicy": given["redrivePolicy"],
            "VisibilityTimeout": str(given["visibilityTimeoutSeconds"]),
        }
    url = world.client("sqs").create_queue(QueueName=given["name"], Attributes=attributes)["QueueUrl"]
    return url, {"url": url, "arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{given['name']}"}


def _queue_policy(world: Clients, given: dict[str, Any]) -> Made:
    world.client("sqs").set_queue_attributes(QueueUrl=given["queueUrl"], Attributes={"Policy": given["policy"]})
    return given["queueUrl"], {}


def _function(world: Clients, given: dict[str, Any]) -> Made:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, asset in given["code"].assets.items():
            assert isinstance(asset, pulumi.FileAsset)
            archive.writestr(name, Path(asset.path).read_bytes())
    logging = given["loggingConfig"]
    made = world.client("lambda").create_function(
        FunctionName=given["name"],
        Role=given["role"],
        Runtime=given["runtime"],
        Handler=given["handler"],
        Architectures=given["architectures"],
        Timeout=given["timeout"],
        MemorySize=given["memorySize"],
        Environment={"Variables": given["environment"]["variables"]},
        LoggingConfig=upper_first(logging),
        Code={"ZipFile": packed.getvalue()},
        Publish=given["publish"],
    )
    if given["reservedConcurrentExecutions"] >= 0:
        world.client("lambda").put_function_concurrency(
            FunctionName=given["name"], ReservedConcurrentExecutions=given["reservedConcurrentExecutions"]
        )
    # With Publish AWS names the version in the ARN; the provider's `arn` has none.
    arn = made["FunctionArn"].removesuffix(f":{made['Version']}")
    return given["name"], {
        "arn": arn,
        "version": made["Version"],
        "invokeArn": f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
    }


def _alias(world: Clients, given: dict[str, Any]) -> Made:
    routing = {"RoutingConfig": upper_first(given["routingConfig"])} if given.get("routingConfig") else {}
    made = world.client("lambda").create_alias(
        FunctionName=given["functionName"], Name=given["name"], FunctionVersion=given["functionVersion"], **routing
    )
    arn = made["AliasArn"]
    return given["name"], {
        "arn": arn,
        "invokeArn": f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
    }


def _event_source(world: Clients, given: dict[str, Any]) -> Made:
    made = world.client("lambda").create_event_source_mapping(
        FunctionName=given["functionName"],
        EventSourceArn=given["eventSourceArn"],
        BatchSize=given["batchSize"],
        MaximumBatchingWindowInSeconds=given["maximumBatchingWindowInSeconds"],
        FunctionResponseTypes=given["functionResponseTypes"],
        ScalingConfig=upper_first(given["scalingConfig"]),
    )
    return made["UUID"], {}


def _permission(world: Clients, given: dict[str, Any]) -> Made:
    statement = given["sourceArn"].replace(":", "-").replace("/", "-").replace("*", "any").replace(".", "-")
    world.client("lambda").add_permission(
        FunctionName=given["function"],
        StatementId=statement,
        Action=given["action"],
        Principal=given["principal"],
        SourceArn=given["sourceArn"],
        **({"Qualifier": given["qualifier"]} if "qualifier" in given else {}),
    )
    return statement, {}


def _api(world: Clients, given: dict[str, Any]) -> Made:
    made = world.client("apigatewayv2").create_api(
        Name=given["name"],
        ProtocolType=given["protocolType"],
        CorsConfiguration=upper_first(given["corsConfiguration"]),
    )
    return made["ApiId"], {
        "apiEndpoint": made["ApiEndpoint"],
        "executionArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{made['ApiId']}",
    }


def _integration(world: Clients, given: dict[str, Any]) -> Made:
    made = world.client("apigatewayv2").create_integration(
        ApiId=given["apiId"],
        IntegrationType=given["integrationType"],
        IntegrationUri=given["integrationUri"],
        PayloadFormatVersion=given["payloadFormatVersion"],
        TimeoutInMillis=given["timeoutMilliseconds"],
    )
    return made["IntegrationId"], {}


def _route(world: Clients, given: dict[str, Any]) -> Made:
    made = world.client("apigatewayv2").create_route(
        ApiId=given["apiId"], RouteKey=given["routeKey"], Target=given["target"]
    )
    return made["RouteId"], {}


def _stage(world: Clients, given: dict[str, Any]) -> Made:
    world.client("apigatewayv2").create_stage(
        ApiId=given["apiId"],
        StageName=given["name"],
        AutoDeploy=given["autoDeploy"],
        DefaultRouteSettings=upper_first(given["defaultRouteSettings"]),
        AccessLogSettings=upper_first(given["accessLogSettings"]),
    )
    return given["name"], {}


def _topic(world: Clients, given: dict[str, Any]) -> Made:
    arn = world.client("sns").create_topic(Name=given["name"])["TopicArn"]
    return arn, {"arn": arn}


def _topic_policy(world: Clients, given: dict[str, Any]) -> Made:
    world.client("sns").set_topic_attributes(
        TopicArn=given["arn"], AttributeName="Policy", AttributeValue=given["policy"]
    )
    return given["arn"], {}


def _subscription(world: Clients, given: dict[str, Any]) -> Made:
    made = world.client("sns").subscribe(
        TopicArn=given["topic"], Protocol=given["protocol"], Endpoint=given["endpoint"]
    )
    return made["SubscriptionArn"], {}


def _alarm(world: Clients, given: dict[str, Any]) -> Made:
    world.client("cloudwatch").put_metric_alarm(
        AlarmName=given["name"],
        AlarmDescription=given["alarmDescription"],
        **_watched(given),
        EvaluationPeriods=given["evaluationPeriods"],
        Threshold=given["threshold"],
        ComparisonOperator=given["comparisonOperator"],
        TreatMissingData=given["treatMissingData"],
        AlarmActions=given["alarmActions"],
        OKActions=given["okActions"],
    )
    return given["name"], {"arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{given['name']}"}


def _watched(given: dict[str, Any]) -> dict[str, Any]:
    """What an alarm looks at: one metric, or an expression over several."""

    def dimensions(of: dict[str, Any]) -> list[dict[str, str]]:
        return [{"Name": key, "Value": value} for key, value in of.get("dimensions", {}).items()]

    if "metricQueries" not in given:
        return {
            "Namespace": given["namespace"],
            "MetricName": given["metricName"],
            "Dimensions": dimensions(given),
            "Statistic": given["statistic"],
            "Period": given["period"],
        }
    queries: list[dict[str, Any]] = []
    for query in given["metricQueries"]:
        if "expression" in query:
            queries.append(upper_first(query))
            continue
        metric = query["metric"]
        named = {"Namespace": metric["namespace"], "MetricName": metric["metricName"], "Dimensions": dimensions(metric)}
        stat = {"Metric": named, "Period": metric["period"], "Stat": metric["stat"]}
        queries.append({"Id": query["id"], "MetricStat": stat, "ReturnData": False})
    return {"Metrics": queries}


def _metric_filter(world: Clients, given: dict[str, Any]) -> Made:
    transformation = {
        {"name": "metricName", "namespace": "metricNamespace", "value": "metricValue"}.get(key, key): value
        for key, value in given["metricTransformation"].items()
    }
    world.client("logs").put_metric_filter(
        logGroupName=given["logGroupName"],
        filterName=given["name"],
        filterPattern=given["pattern"],
        metricTransformations=[transformation],
    )
    return given["name"], {}


def _dashboard(world: Clients, given: dict[str, Any]) -> Made:
    world.client("cloudwatch").put_dashboard(DashboardName=given["dashboardName"], DashboardBody=given["dashboardBody"])
    return given["dashboardName"], {}


def _budget(world: Clients, given: dict[str, Any]) -> Made:
    notifications = [
        {
            "Notification": {
                "NotificationType": notification["notificationType"],
                "ComparisonOperator": notification["comparisonOperator"],
                "Threshold": notification["threshold"],
                "ThresholdType": notification["thresholdType"],
            },
            "Subscribers": [
                {"SubscriptionType": "SNS", "Address": arn} for arn in notification["subscriberSnsTopicArns"]
            ],
        }
        for notification in given["notifications"]
    ]
    world.client("budgets").create_budget(
        AccountId=ACCOUNT,
        Budget={
            "BudgetName": given["name"],
            "BudgetType": given["budgetType"],
            "TimeUnit": given["timeUnit"],
            "BudgetLimit": {"Amount": given["limitAmount"], "Unit": given["limitUnit"]},
        },
        NotificationsWithSubscribers=notifications,
    )
    return given["name"], {}


MAKERS: dict[str, Callable[[Clients, dict[str, Any]], Made]] = {
    "Bucket": _bucket,
    "BucketOwnershipControls": _of_bucket(
        "put_bucket_ownership_controls", lambda given: {"OwnershipControls": {"Rules": [upper_first(given["rule"])]}}
    ),
    "BucketPublicAccessBlock": _of_bucket("put_public_access_block", _public_access_block),
    "BucketServerSideEncryptionConfiguration": _of_bucket("put_bucket_encryption", _encryption),
    "BucketVersioning": _of_bucket(
        "put_bucket_versioning",
        lambda given: {"VersioningConfiguration": upper_first(given["versioningConfiguration"])},
    ),
    "BucketPolicy": _of_bucket("put_bucket_policy", lambda given: {"Policy": given["policy"]}),
    "BucketLifecycleConfiguration": _of_bucket("put_bucket_lifecycle_configuration", _lifecycle),
    "BucketNotification": _of_bucket("put_bucket_notification_configuration", _notification),
    "Role": _role,
    "RolePolicy": _role_policy,
    "Policy": _policy,
    "LogGroup": _log_group,
    "LogStream": _log_stream,
    "FirehoseDeliveryStream": _stream,
    "Queue": _queue,
    "QueuePolicy": _queue_policy,
    "Function": _function,
    "Alias": _alias,
    "EventSourceMapping": _event_source,
    "Permission": _permission,
    "Api": _api,
    "Integration": _integration,
    "Route": _route,
    "Stage": _stage,
    "Topic": _topic,
    "TopicPolicy": _topic_policy,
    "TopicSubscription": _subscription,
    "MetricAlarm": _alarm,
    "LogMetricFilter": _metric_filter,
    "Dashboard": _dashboard,
    "Budget": _budget,
}
