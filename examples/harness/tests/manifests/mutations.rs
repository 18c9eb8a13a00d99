//! Each check is shown to fail: one small change of a good manifest gives one mistake.

use std::collections::{BTreeMap, BTreeSet};

use crate::programs::{Program, Programs};
use crate::{checks, objects, schema};

/// A manifest without a mistake.
const GOOD: &str = include_str!("good.yaml");

/// A text of the manifest, what replaces it, and the mistake that this makes.
const MUTATIONS: [(&str, &str, &str); 29] = [
    (
        "matchLabels: { app: demo, part: api }",
        "matchLabels: { app: demo, part: apo }",
        "does not select its own pods",
    ),
    (
        "selector: { app: demo, part: api }",
        "selector: { app: demo, part: apo }",
        "Service demo selects no pod",
    ),
    (
        "podSelector:\n    matchLabels: { app: demo, part: store }",
        "podSelector:\n    matchLabels: { app: demo, part: stores }",
        "NetworkPolicy demo-store selects no pod",
    ),
    (
        "targetPort: http",
        "targetPort: web",
        "has no port \"web\" for Service demo",
    ),
    (
        "- { port: sql }",
        "- { port: sequel }",
        "no pod has the port \"sequel\" of NetworkPolicy demo-store",
    ),
    (
        "values: [api, worker]",
        "values: [worker]",
        "NetworkPolicy demo-store selects no pod",
    ),
    (
        "operator: In",
        "operator: Exists",
        "NetworkPolicy demo-store selects no pod",
    ),
    (
        "volumeName: demo-store",
        "volumeName: demo-stores",
        "PersistentVolume demo-store is taken by 0 claims",
    ),
    (
        "capacity: { storage: 4Gi }",
        "capacity: { storage: 3Gi }",
        "wants more than its volume has",
    ),
    (
        "accessModes: [ReadWriteMany]",
        "accessModes: [ReadWriteOnce]",
        "wants another access mode",
    ),
    (
        "storageClassName: slow",
        "storageClassName: fast",
        "wants another storage class",
    ),
    (
        "persistentVolumeClaim: { claimName: demo-store }",
        "emptyDir: {}",
        "no pod uses PersistentVolumeClaim demo-store",
    ),
    (
        "claimName: demo-store",
        "claimName: demo-stores",
        "there is no PersistentVolumeClaim demo-stores",
    ),
    (
        "runAsNonRoot: true",
        "runAsNonRoot: false",
        "may run as root",
    ),
    ("runAsUser: 10001", "runAsUser: 0", "has no user"),
    (
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        "may get more rights",
    ),
    (
        "capabilities: { drop: [ALL] }",
        "capabilities: { drop: [KILL] }",
        "keeps capabilities",
    ),
    (
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "may write into its image",
    ),
    (
        "limits: { memory: 256Mi }",
        "limits: { cpu: 500m }",
        "api has no limits of memory",
    ),
    (
        "secretKeyRef: { name: demo, key: url }",
        "secretKeyRef: { name: other, key: url }",
        "there is no Secret other",
    ),
    (
        "configMapKeyRef: { name: demo, key: level }",
        "configMapKeyRef: { name: other, key: level }",
        "there is no ConfigMap other",
    ),
    (
        "name: data, mountPath: /data",
        "name: date, mountPath: /data",
        "there is no volume \"date\"",
    ),
    (
        "          livenessProbe:\n            tcpSocket: { port: sql }\n",
        "",
        "store has no livenessProbe",
    ),
    (
        "tcpSocket: { port: sql }",
        "tcpSocket: { port: sequel }",
        "store has no port \"sequel\" for its livenessProbe",
    ),
    (
        "name: RUST_LOG",
        "name: RUST_LOGS",
        "RUST_LOGS is no setting of demo",
    ),
    (
        "value: \"0.0.0.0:8002\"",
        "value: \"0.0.0.0:8001\"",
        "which is not among its ports",
    ),
    (
        "value: \"0.0.0.0:8002\"",
        "value: \"127.0.0.1:8002\"",
        "where no other pod reaches it",
    ),
    (
        "path: /readyz",
        "path: /ready",
        "does not answer /ready for its readinessProbe",
    ),
    ("value: 5s", "value: 25s", "while it drains"),
];

/// Changes that the schema of Kubernetes refuses, each with a word of the error.
const MALFORMED: [(&str, &str, &str); 4] = [
    ("readinessProbe:", "readinessProb:", "readinessProb"),
    ("replicas: 1", "replicas: \"1\"", "replicas"),
    (
        "terminationGracePeriodSeconds: 20",
        "terminationGracePeriodSecond: 20",
        "terminationGracePeriodSecond",
    ),
    (
        "labels: { app: demo, part: api }",
        "labelz: { app: demo, part: api }",
        "labelz",
    ),
];

/// The program `demo` of the manifest.
fn programs() -> Programs {
    let settings = [
        ("HTTP_ADDR", "127.0.0.1:8002"),
        ("DRAIN_DELAY", "500ms"),
        ("DATABASE_URL", "-"),
        ("RUST_LOG", "info"),
    ];
    let paths = ["/livez", "/readyz"].map(str::to_owned);
    let program = Program {
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        probes: BTreeMap::from([("serve".to_owned(), BTreeSet::from(paths))]),
    };
    Programs::one("demo", program)
}

fn problems(text: &str) -> Vec<String> {
    checks::all(
        &objects::parse(text),
        "kubectl create secret generic demo",
        &programs(),
    )
}

fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the manifest has no `{from}`");
    GOOD.replacen(from, to, 1)
}

#[test]
fn a_good_manifest_has_no_mistake() {
    assert_eq!(problems(GOOD), [""; 0]);
    assert_eq!(schema::problems(GOOD), [""; 0]);
}

#[test]
fn each_check_finds_its_mistake() {
    for (from, to, mistake) in MUTATIONS {
        let found = problems(&changed(from, to));
        let is_found = found.iter().any(|problem| problem.contains(mistake));
        assert!(is_found, "`{from}` became `{to}`: {found:#?}");
    }
}

#[test]
fn the_schema_refuses_unknown_fields_and_wrong_types() {
    for (from, to, word) in MALFORMED {
        let found = schema::problems(&changed(from, to));
        let is_found = found.iter().any(|problem| problem.contains(word));
        assert!(is_found, "`{from}` became `{to}`: {found:#?}");
    }
}
