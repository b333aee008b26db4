# Runs the examples of a man page, $page, as they stand there.
#
# An example is a line `.Dl $ COMMAND`, or `$ COMMAND` in a literal block. Each is printed and run,
# its output shown, frames as JSON without what differs from run to run. The files that it needs
# are there already.

show() {
    if [ "$(head -c 1 <shown)" = "$(printf '\036')" ]; then
        heka-decode -j shown | sed -E -e 's/"Uuid":"[^"]*",//' -e "s/,\"Hostname\":\"$(uname -n)\"//" \
            -e 's/"Timestamp":"20[2-9][^"]*","TimestampNs":[0-9]*,//'
    else
        cat shown
    fi
}

sed -nE -e 's/^(\.Dl )?\$ //; T' -e ':more; /\\e$/{N; s/ *\\e\n */ /; b more}' \
    -e 's/\\\(dq/"/g; s/\\e/\\/g; s/\\-/-/g; s/\\&//g; p' "$page" >examples
while IFS= read -r example; do
    printf '$ %s\n' "$example"
    status=0
    eval "$example" >shown 2>told </dev/null || status=$?
    cat told
    show
    [ "$status" = 0 ] || echo "status $status"
done <examples
