# From `cargo metadata` to CycloneDX 1.5: every crate that a tool is linked with or built by.
(.packages | map({key: .id, value: .}) | from_entries) as $packages
| (.resolve.nodes | map({key: .id, value:
    [.deps[] | select(any(.dep_kinds[]; .kind != "dev")) | .pkg]}) | from_entries) as $needs
| [.workspace_members[] | select($packages[.].manifest_path | test("/tools/[^/]*/Cargo.toml$"))] as $tools
# The closure: until nothing is added any more.
| ({known: [], next: $tools}
    | until(.next == [];
        .known += .next
        | .known as $known
        | .next = ([.next[] | $needs[.][]] | unique | map(select(IN($known[]) | not))))
    | .known | unique) as $all
| def purl: "pkg:cargo/\(.name)@\(.version)";
  {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {component: {type: "application", name: "heka-tools", version: $version,
                           "bom-ref": "heka-tools"}},
    components: ([$all[] | $packages[.] | {
        type: (if .source then "library" else "application" end),
        "bom-ref": purl, name, version, purl: purl
      } + (if .license then {licenses: [{expression: (.license | gsub("/"; " OR "))}]} else {} end)
    ] | sort_by(."bom-ref")),
    dependencies: ([{ref: "heka-tools", dependsOn: ([$tools[] | $packages[.] | purl] | sort)}]
      + [$all[] | {ref: ($packages[.] | purl), dependsOn: ([$needs[.][] | $packages[.] | purl] | unique)}]
      | sort_by(.ref))
  }
