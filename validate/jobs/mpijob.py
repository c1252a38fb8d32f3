"""A Kubernetes MPIJob (kubeflow.org/v2beta1, github.com/kubeflow/mpi-operator), with a ConfigMap that holds the scenario."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

from topologies.errors import InputError
from validate.jobs.maps import maps
from validate.jobs.plan import RESULT, SCENARIO, Plan

_FILE = "mpijob.yaml"
_MOUNT = "/netsim"  #: where the pods find the scenario
_HOSTFILE = "/etc/mpi/hostfile"  #: where the operator puts the workers' names, in its own order
_PULL = 30  #: minutes that fetching the image may take
_MOST = 1 << 20  #: bytes of a ConfigMap

#: implementation -> (name in the MPIJob, mpiexec with what it needs in a pod: root, the operator's host file)
_MPI = {
    "mpich": ("MPICH", ("mpiexec", "-f", _HOSTFILE)),
    "openmpi": ("OpenMPI", ("mpiexec", "--allow-run-as-root", "--hostfile", _HOSTFILE, "--map-by", "slot")),
}


def mpijob(plan: Plan) -> dict[str, str]:
    """File name -> text: `mpijob.yaml` first.

    Raises InputError without an image, where hosts have different numbers of processes (the operator gives all workers the same
    slots), and for inputs larger than a ConfigMap holds.
    """
    return {
        _FILE: "".join(f"# {line}".rstrip() + "\n" for line in _about(plan)) + _yaml(_config_map(plan), _job(plan)),
        **maps(plan),
    }


def _about(plan: Plan) -> Iterator[str]:
    worker = f"{plan.slug}-worker-0"
    workers = len(plan.seats.hosts)
    yield f"netsim: {plan.name} replayed by {plan.options.on.upper()}, {plan.processes} processes on {workers} workers"
    yield ""
    yield f"  submit:  kubectl apply -f {_FILE}"
    yield f"  wait:    kubectl wait --for=condition=Succeeded --timeout={plan.minutes + _PULL}m mpijob/{plan.slug}"
    yield f"  fetch:   kubectl cp {worker}:/tmp/{RESULT} {RESULT}"
    yield f"  then:    netsim validate {SCENARIO} --on {RESULT}"
    yield f"  remove:  kubectl delete -f {_FILE}"
    yield ""
    yield "Worker i stands for the i-th host of the job. Kubernetes chooses its node, so rank maps mean something only where"
    if plan.seats.named:
        yield "that is the host meant; the workers are kept to the job's hosts, one on each."
    else:
        yield "all nodes are alike; to keep the workers to certain nodes: --option hostfile=FILE, a node a line."


def _config_map(plan: Plan) -> dict[str, Any]:
    """The inputs. Keys of a ConfigMap have no slashes; `_items` gives the files their names back."""
    size = sum(map(len, plan.inputs.values()))
    if size > _MOST:
        raise InputError(
            f"{plan.name}: its files have {size} B; a ConfigMap holds {_MOST}: put them into the image, and the job too"
        )
    text, binary = {}, {}
    for key, name in _keys(plan).items():
        try:
            text[key] = plan.inputs[name].decode("utf-8")
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(plan.inputs[name]).decode()
    data = {"data": text} | ({"binaryData": binary} if binary else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": plan.slug}, **data}


def _keys(plan: Plan) -> dict[str, str]:
    """Key in the ConfigMap -> file."""
    return {f"file-{n}" if n else SCENARIO: name for n, name in enumerate(plan.inputs)}


def _job(plan: Plan) -> dict[str, Any]:
    slots = set(plan.seats.hosts.values())
    if len(slots) > 1:
        few, many = min(slots), max(slots)
        raise InputError(
            f"{plan.name}: {few} processes on one host, {many} on another; the workers of an MPIJob have all the same"
        )
    implementation, mpiexec = _MPI[plan.options.mpi]
    run = ["-wdir", _MOUNT, "-n", str(plan.processes), "netsim", *plan.arguments[:-1], f"/tmp/{RESULT}"]
    launcher = {"command": [mpiexec[0]], "args": [*mpiexec[1:], *run]}
    worker: dict[str, Any] = {"command": ["/usr/sbin/sshd"], "args": ["-De"]}
    if plan.options.on == "nccl":
        worker["resources"] = {"limits": {"nvidia.com/gpu": slots.copy().pop()}}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": plan.slug},
        "spec": {
            "mpiImplementation": implementation,
            "slotsPerWorker": slots.pop(),
            "launcherCreationPolicy": "WaitForWorkersReady",
            # pods stay until the result is fetched
            "runPolicy": {"cleanPodPolicy": "None", "backoffLimit": 0, "activeDeadlineSeconds": 60 * plan.minutes},
            "mpiReplicaSpecs": {
                "Launcher": {"replicas": 1, "restartPolicy": "Never", "template": _pod(plan, "launcher", launcher)},
                "Worker": {"replicas": len(plan.seats.hosts), "template": _pod(plan, "worker", worker, _affinity(plan))},
            },
        },
    }


def _pod(plan: Plan, name: str, container: dict[str, Any], affinity: dict[str, Any] | None = None) -> dict[str, Any]:
    if not plan.options.image:
        raise InputError(
            "--job mpijob: image: missing; name one with netsim, MPI and an SSH server: --option image=registry/name:tag"
        )
    mount = {"name": "scenario", "mountPath": _MOUNT}
    volume = {
        "name": "scenario",
        "configMap": {"name": plan.slug, "items": [{"key": k, "path": p} for k, p in _keys(plan).items()]},
    }
    spec: dict[str, Any] = {"affinity": affinity} if affinity else {}
    own = {"name": name, "image": plan.options.image, **container, "workingDir": _MOUNT, "volumeMounts": [mount]}
    labels = {"labels": {"netsim-job": plan.slug, "netsim-role": name}}
    return {"metadata": labels, "spec": {**spec, "containers": [own], "volumes": [volume]}}


def _affinity(plan: Plan) -> dict[str, Any]:
    """One worker on a node; where the hosts have names, on these nodes."""
    host = "kubernetes.io/hostname"
    apart = {"labelSelector": {"matchLabels": {"netsim-job": plan.slug, "netsim-role": "worker"}}, "topologyKey": host}
    out: dict[str, Any] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    if plan.seats.named:
        term = {"matchExpressions": [{"key": host, "operator": "In", "values": list(plan.seats.hosts)}]}
        out["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return out


def _yaml(*documents: dict[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import walk_tree

    yaml = YAML()
    yaml.explicit_start = True
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    for document in documents:
        walk_tree(document)  # texts of several lines as blocks
        yaml.dump(document, stream)
    return stream.getvalue()
