# List the targets of the Makefile in its groups: awk -f setup/help.awk README.md Makefile
#
# The time that a target takes comes from the table of commands in README, if one was measured.
BEGIN { FS = " *[|] *" }
FNR == NR {
  if ($2 ~ /^`make [a-z-]+`$/ && $4 ~ /[0-9]/) time[substr($2, 7, length($2) - 7)] = $4
  next
}
/^## / { print (groups++ ? "\n" : "") substr($0, 4) }
match($0, /^[a-z-]+:.*  ## /) {
  name = substr($0, 1, index($0, ":") - 1)
  printf "  make %-13s %s%s\n", name, substr($0, RLENGTH + 1), (name in time ? " (" time[name] ")" : "")
}
