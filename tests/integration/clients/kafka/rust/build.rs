//! Tells the program which rskafka it is built with.

fn main() {
    let manifest = std::fs::read_to_string("Cargo.toml").expect("the manifest");
    let line = manifest.lines().find(|line| line.starts_with("rskafka")).expect("rskafka in it");
    let version: String = line.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    println!("cargo:rustc-env=RSKAFKA_VERSION={version}");
}
