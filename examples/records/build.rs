//! The migrations are part of the program: a new one compiles it anew.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
