use super::*;

#[test]
fn a_command_goes_to_the_node_of_its_first_key() {
    let slot = route_of(b"3");
    let command = Command::new("FCALL")
        .arg("place_orders_payments_0123456789ab")
        .arg(2)
        .key("identity:{3}")
        .key("due:{4}");
    assert_eq!(command.route, slot);
    assert_eq!(Command::new("TIME").to_owner_of("due:{3}").route, slot);
    assert_eq!(Command::new("PING").route, ClusterHash::Random);
}
