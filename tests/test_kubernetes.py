"""Check the files of `deploy/examples/kubernetes` as far as possible without a cluster."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from vitrina.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "examples" / "kubernetes"
VALUES = yaml.safe_load((FOLDER / "airflow-values.yaml").read_text("utf-8"))
CLAIM, SPARK, SERVICE, POLICY = yaml.safe_load_all(
    (FOLDER / "spark-connect.yaml").read_text("utf-8")
)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))

# The chart's values that are used here, as its schema and templates name them: see
# chart/values.schema.json and chart/templates in github.com/apache/airflow. Airflow or Kubernetes
# defines whatever an open end matches.
CHART = re.compile(
    r"airflowVersion|uid|gid|executor"
    r"|images\.airflow\.(repository|tag)"
    r"|(postgresql|redis|statsd)\.enabled"
    r"|data\.metadataSecretName|(fernetKey|apiSecretKey|jwt)SecretName"
    r"|secret\.(envName|secretName|secretKey)|env\.(name|value)"
    r"|config\.\w+\.\w+|createUserJob\.defaultUser\.enabled"
    r"|(scheduler|dagProcessor|triggerer)\.(livenessProbe\.command|logGroomerSidecar\.enabled)"
    r"|scheduler\.startupProbe\.command|scheduler\.extraVolume(s|Mounts)\..*"
    r"|(scheduler|dagProcessor|triggerer|apiServer)\.resources\..*"
    r"|logs\.persistence\.(enabled|size)"
)
# The same for Spark's operator: the definition of its resource, v1, in
# github.com/apache/spark-kubernetes-operator, build-tools/helm/…/crds.
SPARK_APPLICATION = re.compile(
    r"mainClass|runtimeVersions\.sparkVersion"
    r"|applicationTolerations\.(resourceRetainPolicy|restartConfig\.restartPolicy)"
    r"|sparkConf\.spark\.[\w.]+|(driver|executor)Spec\.podTemplateSpec\..*"
)

# Images of Spark 4.2 that the operator's own tests run (tests/e2e/spark-versions there, in August
# 2026). A patch of Spark comes to PyPI before it comes to the images, or never.
PUBLISHED = {
    "apache/spark:4.2.0-scala",
    "apache/spark:4.2.0-scala-java17",
    "apache/spark:4.2.0-scala-java25",
}


def keys(value: Any, prefix: str = "") -> Iterator[str]:
    """The path of each value; all members of a list have the same path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from keys(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from keys(inner, prefix)
    else:
        yield prefix


def test_the_chart_knows_the_values() -> None:
    assert [key for key in keys(VALUES) if not CHART.fullmatch(key)] == []


def test_the_operator_knows_the_application() -> None:
    assert (SPARK["apiVersion"], SPARK["kind"]) == ("spark.apache.org/v1", "SparkApplication")
    assert [key for key in keys(SPARK["spec"]) if not SPARK_APPLICATION.fullmatch(key)] == []
    assert all(isinstance(value, str) for value in SPARK["spec"]["sparkConf"].values())


def test_airflow_has_the_image_and_the_version_of_compose() -> None:
    image = VALUES["images"]["airflow"]
    assert f"{image['repository']}:{image['tag']}" == COMPOSE["x-airflow"]["image"]
    pinned = (ROOT / "requirements" / "airflow.txt").read_text("utf-8")
    assert f"\napache-airflow=={VALUES['airflowVersion']} " in pinned
    dockerfile = (ROOT / "deploy" / "airflow" / "Dockerfile").read_text("utf-8")
    assert f"useradd --uid {VALUES['uid']} " in dockerfile
    assert VALUES["config"]["core"]["dags_folder"] == "/opt/vitrina/dags"


def test_spark_s_image_exists_and_is_as_new_as_the_clients_and_of_compose_s_minor_version() -> None:
    version = SPARK["spec"]["runtimeVersions"]["sparkVersion"]
    image = SPARK["spec"]["sparkConf"]["spark.kubernetes.container.image"]
    assert image in PUBLISHED
    assert image.startswith(f"apache/spark:{version}-")
    of_image = pinned("spark-image", "pyspark")
    assert version.split(".")[:2] == of_image.split(".")[:2]
    assert tuple(version.split(".")) >= tuple(pinned("airflow", "pyspark-client").split("."))


def pinned(name: str, package: str) -> str:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    found = re.search(rf"(?m)^{package}==(\S+)", text)
    assert found is not None
    return found[1]


def test_spark_is_set_as_in_compose() -> None:
    defaults = (ROOT / "deploy" / "spark" / "spark-defaults.conf").read_text("utf-8")
    lines = [line.split(None, 1) for line in defaults.splitlines() if line[:1] not in ("", "#")]
    # Settings for S3 or for a standalone cluster do not belong here.
    common = {
        name: value for name, value in lines if re.match(r"spark\.(sql|connect|auth|net)", name)
    }
    assert len(common) >= 6
    conf = SPARK["spec"]["sparkConf"]
    assert {name: conf.get(name) for name in common} == common


def test_tasks_and_executors_share_the_lake_as_one_user() -> None:
    lake = next(each["value"] for each in VALUES["env"] if each["name"] == "VITRINA_LAKE")
    [volume], [mount] = (VALUES["scheduler"][f"extraVolume{kind}"] for kind in ("s", "Mounts"))
    claim = CLAIM["metadata"]["name"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], lake)
    assert volume["persistentVolumeClaim"]["claimName"] == claim
    assert CLAIM["spec"]["accessModes"] == ["ReadWriteMany"]
    for role in ("driver", "executor"):
        prefix = f"spark.kubernetes.{role}.volumes.persistentVolumeClaim.lake"
        assert SPARK["spec"]["sparkConf"][f"{prefix}.options.claimName"] == claim
        assert SPARK["spec"]["sparkConf"][f"{prefix}.mount.path"] == lake
        context = SPARK["spec"][f"{role}Spec"]["podTemplateSpec"]["spec"]["securityContext"]
        assert (context["runAsUser"], context["fsGroup"]) == (VALUES["uid"], VALUES["gid"])


def test_tasks_reach_connect_and_others_do_not() -> None:
    labels = SPARK["spec"]["driverSpec"]["podTemplateSpec"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == labels
    assert POLICY["spec"]["podSelector"]["matchLabels"] == labels
    [port] = SERVICE["spec"]["ports"]
    assert str(port["port"]) == SPARK["spec"]["sparkConf"]["spark.connect.grpc.binding.port"]
    remote = next(each["value"] for each in VALUES["env"] if each["name"] == "VITRINA_SPARK_REMOTE")
    assert remote == f"sc://{SERVICE['metadata']['name']}:{port['port']}"
    tasks, executors = POLICY["spec"]["ingress"]
    assert tasks["ports"] == [{"port": port["port"]}]
    assert "ports" not in executors


def test_every_setting_is_one_of_vitrinas_and_no_secret_is_in_the_files() -> None:
    names = {each["name"] for each in VALUES["env"]} | {
        each["envName"] for each in VALUES["secret"]
    }
    assert names <= {f"VITRINA_{name.upper()}" for name in Settings.model_fields}
    text = "".join(path.read_text("utf-8") for path in FOLDER.iterdir())
    assert not re.search(r"(?i)password:|://[^/\s]+:[^/\s]+@", text)
    assert VALUES["createUserJob"]["defaultUser"]["enabled"] is False
