//! Compiles `proto/todo.proto`. `protox` reads it, so no `protoc` has to be installed.

const PROTO: &str = "proto/todo.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    println!("cargo::rerun-if-changed=migrations");
    let files = protox::compile([PROTO], ["proto"])?;
    prost_build::Config::new().compile_fds(files)?;
    Ok(())
}
