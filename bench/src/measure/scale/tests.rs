use super::*;
use crate::rig::Usage;

#[test]
fn processes_of_a_role_count_together_and_nodes_of_stores_not() {
    let members = [
        ("payments serve", 1.0),
        ("payments serve 2", 2.0),
        ("inventory consume", 4.0),
        ("payments redis 0", 8.0),
    ];
    let members = members
        .map(|(name, seconds)| (name.to_owned(), seconds))
        .into();
    let of = |wanted| {
        let all = by_role(&members);
        all.into_iter().find(|(role, _)| *role == wanted).unwrap().1
    };
    assert!((of(Role::PaymentsServe) - 3.0).abs() < 1e-9);
    assert!((of(Role::InventoryConsume) - 4.0).abs() < 1e-9);
    assert!(of(Role::PaymentsConsume).abs() < 1e-9);
}

#[test]
fn every_shape_is_put_beside_one_of_each() {
    assert_eq!(SHAPES[0].name, Shape::ONE.name);
    assert!(
        QUICK
            .iter()
            .all(|name| SHAPES.iter().any(|shape| shape.name == *name))
    );
    let mut sheet = Sheet::default();
    for (name, rate) in [("scale.one", 200.0), ("scale.partitions4", 100.0)] {
        sheet.section(name, 0.0).higher("rate", "orders/s", rate);
    }
    put_beside_one(&SHAPES[1], &mut sheet);
    let rows = crate::figure::rows(&[sheet]);
    assert!((rows[1].limits[0].ratio - 0.5).abs() < 1e-9);
    assert_eq!(rows[0].limits, []);
}

#[test]
fn a_store_of_several_nodes_is_told_as_a_whole_and_node_by_node() {
    let node = |name: &str, is_primary, processor| Usage {
        name: name.to_owned(),
        is_primary,
        processor,
        network: 500,
        ..Usage::default()
    };
    let nodes = [
        node("payments redis 0", true, 0.1),
        node("payments redis 1", false, 0.3),
    ];
    let mut sheet = Sheet::default();
    let mut section = sheet.section("scale.x", 0.0);
    report_store("payments", &nodes, 1_000, &mut section);
    let value = |name: &str| sheet.value(&format!("scale.x.{name}")).unwrap();
    assert!((value("cpu.payments-redis") - 400.0).abs() < 1e-6);
    assert!((value("cpu.payments-redis.primary-0") - 100.0).abs() < 1e-6);
    assert!((value("cpu.payments-redis.replica-1") - 300.0).abs() < 1e-6);
    assert!(
        (value("network.payments-redis") - 0.5).abs() < 1e-9,
        "of the primaries"
    );
}
