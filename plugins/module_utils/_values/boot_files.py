# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What assembles persistent maps at boot, where nothing of Ansible runs: a udev rule that sees the
paths of their LUNs, a systemd unit that it starts for each, and the program that the unit runs; and
the unit and the program that look after the maps from then on.

They are the same on each host; which maps there are is stated by the files in RECORDS. Ansible
sends only Python to a host, so that their texts are here. They lie in /etc, which is there before
any other file system is mounted; the program is read by the shell, not executed, so that neither
its mode nor a security label matters.
"""

from __future__ import annotations

from .records import (
    CHECK,
    CHECK_INTERVAL,
    CHECK_UNIT,
    KPARTX_RULES,
    MANAGED,
    PROGRAM,
    RULES,
    UNIT,
)

_RULES_TEXT = r"""#
# The paths of LUNs that have a persistent multipath map: each one joins its map, and is hidden from
# LVM, md, mount and systemd from its first event on, so that none of them takes a single path.
#
# The number: after 60-persistent-storage.rules, which ask the device for its WWID, before those
# that make use of a disk (64-btrfs.rules, 65-md-incremental.rules, 69-lvm.rules).

SUBSYSTEM!="block", GOTO="san_device_mapper_boot_end"
ACTION!="add|change", GOTO="san_device_mapper_boot_end"
KERNEL=="dm-*|loop*|md*|ram*|zram*|sr*|fd*|nbd*|drbd*", GOTO="san_device_mapper_boot_end"
IMPORT{cmdline}="nompath"
ENV{nompath}=="?*", GOTO="san_device_mapper_boot_end"
IMPORT{cmdline}="multipath"
ENV{multipath}=="off", GOTO="san_device_mapper_boot_end"

# Two lines: an import that finds nothing ends its line.
ENV{DEVTYPE}=="partition", IMPORT{parent}="SAN_DEVICE_MAPPER_BOOT"
ENV{DEVTYPE}=="partition", GOTO="san_device_mapper_boot_hide"

ENV{SAN_DEVICE_MAPPER_BOOT}=""
ENV{.SAN_DEVICE_MAPPER_PATH}="$env{ID_SERIAL}"
KERNEL=="nvme*", ENV{.SAN_DEVICE_MAPPER_PATH}="$env{ID_WWN}"
KERNEL=="dasd*", ENV{.SAN_DEVICE_MAPPER_PATH}="$env{ID_UID}"
# A path that has failed may not say its WWID any more: it is still what it was.
ENV{.SAN_DEVICE_MAPPER_PATH}!="?*", IMPORT{db}="SAN_DEVICE_MAPPER_BOOT"
ENV{SAN_DEVICE_MAPPER_BOOT}=="?*", GOTO="san_device_mapper_boot_hide"
# One that has never said it to udev: the kernel has read it, and writes it in other letters, as the
# modules and libmultipath (discovery.c, uid_fallback) know. It may be the device's own text.
ENV{.SAN_DEVICE_MAPPER_PATH}!="?*", TEST=="device/wwid", IMPORT{program}="/bin/sh -c ' \
  read -r name <%S%p/device/wwid; \
  case $$name in \
  *[!0-9A-Za-z.]*) exit ;; \
  naa.*) echo .SAN_DEVICE_MAPPER_PATH=3$${name#naa.} ;; \
  eui.*) echo .SAN_DEVICE_MAPPER_PATH=2$${name#eui.} ;; \
  esac'"
ENV{.SAN_DEVICE_MAPPER_PATH}!="?*", GOTO="san_device_mapper_boot_end"
TEST!="/etc/san.device_mapper/mpath-$env{.SAN_DEVICE_MAPPER_PATH}.map", \
  GOTO="san_device_mapper_boot_end"
ENV{SAN_DEVICE_MAPPER_BOOT}="$env{.SAN_DEVICE_MAPPER_PATH}", TAG+="san-device-mapper-boot"

# Not by a wish of the device's unit (SYSTEMD_WANTS): what is hidden has no active unit. A path that
# a map holds already has many events of no concern. The shell finds systemctl where /bin is a
# directory of its own, too.
ACTION=="change", TEST=="holders/*/dm/uuid", GOTO="san_device_mapper_boot_hide"
RUN+="/bin/sh -c 'systemctl --no-block start san-device-mapper@%k.service'"

LABEL="san_device_mapper_boot_hide"
# All links to the map win over those to its paths.
ENV{SAN_DEVICE_MAPPER_BOOT}=="?*", ENV{DM_MULTIPATH_DEVICE_PATH}="1", ENV{SYSTEMD_READY}="0", \
  ENV{ID_FS_TYPE}="mpath_member", OPTIONS+="link_priority=-100"

LABEL="san_device_mapper_boot_end"
"""

_KPARTX_RULES_TEXT = r"""#
# The partition maps of a persistent map are made as the file beside its record states them, and
# none where another one says so. Where there is kpartx, its rule would make all of them, with its
# own names, at each change of the map, whatever is mounted. It obeys the flag, by which whoever
# changes a map asks for no partition maps.
#
# The number: after those that read the flags of the change (10-dm.rules, 11-dm-mpath.rules), before
# kpartx' rule (60-kpartx.rules of Debian, 66-kpartx.rules upstream).

SUBSYSTEM=="block", KERNEL=="dm-*", ENV{DM_UUID}=="mpath-?*", \
  TEST=="/etc/san.device_mapper/$env{DM_UUID}.partitions", ENV{DM_SUBSYSTEM_UDEV_FLAG1}="1"
SUBSYSTEM=="block", KERNEL=="dm-*", ENV{DM_UUID}=="mpath-?*", \
  TEST=="/etc/san.device_mapper/$env{DM_UUID}.skip_kpartx", ENV{DM_SUBSYSTEM_UDEV_FLAG1}="1"
"""

_UNIT_TEXT = """
[Unit]
Description=Path %I of a multipath map
DefaultDependencies=no
Wants=san-device-mapper-check.service
StartLimitIntervalSec=0
ConditionKernelCommandLine=!nompath
ConditionKernelCommandLine=!multipath=off

# No oneshot, for which systemd before 255 restarts by no status: 75 says that a task has the lock,
# or that something else has the path open.
[Service]
ExecStart=/bin/sh /etc/san.device_mapper/assemble %I
RuntimeMaxSec=150
RestartForceExitStatus=75
RestartSec=30
"""

_SHARED_TEXT = r"""set -u -f
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
records=/etc/san.device_mapper
block=/sys/class/block
lock=/run/san.device_mapper.lock
run=/run/san.device_mapper

say() {
    printf '%s\n' "$*" >&2
}

is_number() {
    case $1 in '' | *[!0-9]*) return 1 ;; esac
}

# The first line of a file as $value; empty if there is none.
read_value() {
    { read -r value <"$1"; } 2>/dev/null || value=
}

# Text of a device, whichever way a program has padded it or replaced characters in it.
plain_text() {
    tr -c 'A-Za-z0-9#+.:=@-' _ | tr -s _ | tr A-Z a-z
}

# Whether the page 0x83 that the kernel has of the disk $1 names the LUN $wwid, whichever of its
# names udev took, in bytes or as text; what udev has of other pages, or of an ATA disk, is not in
# it.
names_lun() {
    read_value "$block/$1/device/vendor"
    case $value:$wwid in
    ATA:*) return 0 ;;
    *:[1238]*) ;;
    *) return 0 ;;
    esac
    page=$block/$1/device/vpd_pg83
    said=$(od -An -v -tx1 "$page" 2>/dev/null | tr -d ' \n')
    case $said in '' | *"${wwid#?}"*) return 0 ;; esac
    text=$(printf '%s' "${wwid#?}" | plain_text)
    text=${text%_}
    case $(plain_text <"$page") in *"${text#_}"*) return 0 ;; esac
    return 1
}

# The map with the uuid $1: dmsetup's attr, major, minor and name; empty if there is none.
print_map() {
    dmsetup info --columns --noheadings --separator ' ' \
        -o attr,major,minor,name --uuid "$1" 2>/dev/null </dev/null
}

# Whether the maps are multipathd's: it runs, or is enabled, and what its unit needs is there (RHEL:
# /etc/multipath.conf).
of_multipathd() {
    systemctl --quiet is-active multipathd.service multipathd.socket && return
    systemctl is-enabled multipathd.service multipathd.socket 2>/dev/null |
        grep -q '^enabled' || return
    systemctl cat multipathd.service 2>/dev/null | {
        needed=
        while IFS='=' read -r keyword file; do
            [ "$keyword" != ConditionPathExists ] || needed=${file:+$needed $file}
        done
        for file in $needed; do
            case $file in
            !*) [ ! -e "${file#!}" ] || return ;;
            *) [ -e "$file" ] || return ;;
            esac
        done
    }
}
"""

_PROGRAM_HEAD = r"""#
# sh assemble DISK: join the disk, a path that udev has found, to the multipath map of its LUN, and
# make the partition maps on it, as the files beside this one state them. POSIX sh with coreutils,
# sed, util-linux (flock, partx), dmsetup, udevadm and systemctl. Here-documents are not used: a
# shell may keep them in /tmp, which cannot be written yet. Nothing is taken from a device but
# numbers; the names are those that the files state.
"""

_ASSEMBLE_TEXT = r"""
status=0

fail() {
    say "$@"
    exit 1
}

# What may be otherwise in a moment: systemd runs the program again.
fail_for_now() {
    say "$@"
    exit 75
}

# The facts that decide on the place of the disk $1 in the table, unless it cannot be a path:
# priority, host, channel, target, lun, length of the name, name, major:minor, sectors, whether it
# is up, whether it has an ALUA state, and of a stated path its group and the path selector's
# arguments for it.
print_path() {
    name=$1
    case $name in '' | *[!0-9A-Za-z]*) return ;; esac
    read_value "$block/$name/dev"
    device=$value
    case $device in '' | *[!0-9:]*) return ;; esac
    read_value "$block/$name/size"
    sectors=$value
    is_number "$sectors" && [ "$sectors" -gt 0 ] || return
    stated=0
    if [ -n "$paths" ]; then
        stated=$(printf '%s' "$paths" | sed -n "s/^$name //p")
        [ -n "$stated" ] || return
    fi
    if ! names_lun "$name"; then
        say "$name: left out: its SCSI page 0x83 does not name the LUN $wwid"
        return
    fi
    for holder in $(set +f && cd "$block/$name/holders" && echo *); do
        read_value "$block/$holder/dm/uuid"
        case $holder:$value in
        '*:' | *":mpath-$wwid") ;;
        *)
            say "$name: left out: $holder uses it"
            return
            ;;
        esac
    done
    read_value "$block/$name/ro"
    if [ "$value" = 1 ] && [ -z "$read_only" ]; then
        say "$name: left out: it refuses writes, and the map is not read-only"
        return
    fi
    # As multipath's prioritizer sysfs does it, and the module.
    read_value "$block/$name/device/access_state"
    case $value in
    '') priority=1 ;;
    active/optimized) priority=50 ;;
    active/non-optimized) priority=10 ;;
    lba-dependent) priority=5 ;;
    standby) priority=1 ;;
    *) priority=0 ;;
    esac
    alua=${value:+yes}
    read_value "$block/$name/device/preferred_path"
    if [ -n "$alua" ] && [ "$value" = 1 ] && [ "$priority" != 50 ]; then
        priority=$((priority + 80))
    fi
    address=$(readlink -f "$block/$name/device")
    address=$(printf '%s\n' "${address##*/}" | grep '^[0-9]*:[0-9]*:[0-9]*:[0-9]*$' | tr : ' ')
    read_value "$block/$name/device/state"
    case $value in
    offline | transport-offline | cancel | deleted | dead) up=down ;;
    *) up=up ;;
    esac
    # The kernel opens a path that the map does not have yet, and cannot open one that is down.
    if [ "$up" = down ] && [ ! -e "$block/$name/holders/dm-${device_of_map#*:}" ]; then
        say "$name: left out: it is down"
        return
    fi
    set -- "$priority" "${address:--1 -1 -1 -1}" "${#name}" "$name" "$device" "$sectors"
    printf '%s\n' "$* $up ${alua:-no} $stated"
}

# The paths that udev's rule has seen, and those that are in the map already: until the next boot
# the rule has seen none of the paths that were there before it.
print_paths() {
    {
        udevadm trigger --dry-run --verbose --subsystem-match=block \
            --tag-match=san-device-mapper-boot --property-match="SAN_DEVICE_MAPPER_BOOT=$wwid"
        [ -z "$device_of_map" ] ||
            (set +f && cd "/sys/dev/block/$device_of_map/slaves" && printf '%s\n' *)
    } | sed 's,.*/,,' | sort -u |
        while read -r path; do
            print_path "$path"
        done
}

# What the paths of one group have in common, as $key.
find_key() {
    case $policy in
    failover) key=$device ;;
    multibus) key=all ;;
    group_by_prio) key=$priority ;;
    *) key=$group ;;
    esac
}

# The groups' keys in the order of their first paths.
print_keys() {
    seen=' '
    printf '%s\n' "$found" |
        while read -r priority h c t l length name device sectors up alua group arguments; do
            find_key
            case $seen in *" $key "*) continue ;; esac
            seen="$seen$key "
            printf '%s\n' "$key"
        done
}

# The groups as a table has them, the one to use first at the front: the highest average priority,
# then the larger one, then the one of the first path; stated groups go by their numbers.
print_groups() {
    order=0
    for wanted in $(print_keys); do
        order=$((order + 1))
        printf '%s\n' "$found" | {
            total=0 count=0 text=
            while read -r priority h c t l length name device sectors up alua group arguments; do
                find_key
                [ "$key" = "$wanted" ] || continue
                total=$((total + priority)) count=$((count + 1))
                text="$text $device${arguments:+ $arguments}"
                # shellcheck disable=SC2086 # counted by their words
                set -- $arguments
            done
            rank="$((total / count)) $count $order"
            [ "$policy" != stated ] || rank="0 0 $wanted"
            printf '%s\n' "$rank $selector $count $#$text"
        }
    done | sort -k1,1nr -k2,2nr -k3,3n | cut -d ' ' -f 4-
}

# The hardware handler as $handler: what is attached to the last of the paths that have one counts.
find_handler() {
    [ "$handler" != none ] || return
    # shellcheck disable=SC2086 # the words of a table
    for word in $groups; do
        case $word in *:*) ;; *) continue ;; esac
        read_value "/sys/dev/block/$word/device/dh_state"
        case $value in '' | detached | *[!0-9a-z_]*) ;; *) handler=$value ;; esac
    done
}

# The table of the paths in $found, as $table.
make_table() {
    groups=$(print_groups)
    find_handler
    case $handler in auto | none) handler_words=0 ;; *) handler_words="1 $handler" ;; esac
    groups="$(printf '%s\n' "$groups" | wc -l) 1 $(printf '%s\n' "$groups" | tr '\n' ' ')"
    table="0 $size multipath $features $handler_words ${groups% }"
}

load() {
    dmsetup load "$map" ${read_only:+--readonly} --table "$table" </dev/null
}

resume() {
    dmsetup resume "$map" --noflush --nolockfs </dev/null
}

# Those in $found that the kernel opens for the map. Each is loaded alone into the second table,
# which carries no I/O, for nothing else opens a device as the kernel does.
print_openable() {
    printf '%s\n' "$found" |
        while read -r found; do
            make_table
            if load 2>/dev/null; then
                printf '%s\n' "$found"
            else
                say "$(printf '%s\n' "$found" | cut -d ' ' -f 7): left out: it is in use, or" \
                    "cannot be opened"
            fi
        done
}

# Make the map with the paths in $found, or those of them that can be opened.
make_map() {
    if dmsetup create "$map" --uuid "mpath-$wwid" ${read_only:+--readonly} --table "$table" \
        </dev/null; then
        return
    fi
    dmsetup create "$map" --uuid "mpath-$wwid" --notable </dev/null || return
    found=$(print_openable)
    make_table
    if [ -n "$found" ] && load && resume; then
        return
    fi
    dmsetup remove "$map" </dev/null
    return 1
}

make_partition_maps() {
    [ -f "$partitions" ] || return
    table=
    while read -r number part mode; do
        is_number "$number" || continue
        uuid=part$number-mpath-$wwid
        present=$(print_map "$uuid")
        present=${present##* }
        [ "$present" != "$part" ] || continue
        if [ -n "$present" ]; then
            dmsetup rename "$present" "$part" </dev/null || status=1
            continue
        fi
        # Without the locks: a read that hangs shall not keep them from whoever could end it.
        [ -n "$table" ] ||
            table=$(partx --raw --noheadings -o NR,START,SECTORS,TYPE "/dev/mapper/$map" 8<&- 9>&-)
        # shellcheck disable=SC2046 # words: start, sectors, type
        set -- $(printf '%s\n' "$table" | sed -n "s/^ *$number  *//p")
        if [ $# -lt 2 ] || ! is_number "$1" || ! is_number "$2"; then
            say "$part: the partition table of $map has no partition $number"
            status=1
            continue
        fi
        # Of an extended partition only what boot loaders want is mapped, as by kpartx.
        case ${3:-} in
        0x5 | 0xf | 0x85)
            read_value "/sys/dev/block/$device_of_map/queue/logical_block_size"
            is_number "$value" || value=512
            set -- "$1" $((value > 1024 ? value / 512 : 2))
            ;;
        esac
        dmsetup create "$part" --uuid "$uuid" ${mode:+--readonly} \
            --table "0 $2 linear $device_of_map $1" </dev/null ||
            [ -n "$(print_map "$uuid")" ] || status=1
    done <"$partitions"
}

wwid=$(udevadm info --query=property --path="$block/$1" | sed -n 's/^SAN_DEVICE_MAPPER_BOOT=//p')
case $wwid in
'') exit 0 ;;
*[!0-9A-Za-z#+.:=@_-]*) fail "$1: a WWID with characters that no map takes" ;;
esac
record=$records/mpath-$wwid.map
partitions=$records/mpath-$wwid.partitions

# The lock of the modules, shared with those that assemble other maps; then that of this map.
exec 9>>"$lock"
flock --shared --timeout 60 9 || fail_for_now "$1: a task has been changing maps for a minute"
[ -f "$record" ] || exit 0
exec 8<"$record"
flock --timeout 60 8 || fail_for_now "$1: its map has been busy for a minute"

if of_multipathd; then
    printf '%s\n' "$1: left to multipathd, which is enabled or runs on this host"
    exit 0
fi

map= policy= selector= features=0 handler=auto read_only= paths=
while read -r word rest; do
    case $word in
    name) map=$rest ;;
    path_grouping_policy) policy=$rest ;;
    path_selector) selector=$rest ;;
    features) features=$rest ;;
    hardware_handler) handler=$rest ;;
    read_only) read_only=yes ;;
    path)
        # Where paths are stated no others are used, even if none of them is there.
        disk=$(readlink -e "/dev/disk/by-path/${rest%% *}") || disk=none
        paths="$paths${disk##*/} ${rest#* }
"
        ;;
    esac
done <"$record"
[ -n "$map" ] && [ -n "$policy" ] && [ -n "$selector" ] || fail "$record: it is not whole"

# Wait until no path is in transition, as in a takeover, for 30 seconds at most; those that still
# are, as $moving.
settle() {
    seconds=0
    while :; do
        moving=
        for disk in $(print_paths 2>/dev/null | cut -d ' ' -f 7); do
            read_value "$block/$disk/device/access_state"
            [ "$value" != transitioning ] || moving="$moving $disk"
        done
        [ -n "$moving" ] && [ "$seconds" -lt 30 ] || return 0
        seconds=$((seconds + 1))
        sleep 1
    done
}

device_of_map= state= size= left_out=
present=$(print_map "mpath-$wwid")
if [ -n "$present" ]; then
    # shellcheck disable=SC2086 # its words
    set -- "$1" $present
    state=$2 device_of_map=$3:$4 map=$5
    read_value "/sys/dev/block/$device_of_map/size"
    size=$value
fi
# It is done already if the map is live, has no second table and is not suspended, with the disk.
case $state in L--?) joined=$block/$1/holders/dm-${device_of_map#*:} ;; *) joined= ;; esac
if [ ! -e "$joined" ]; then
    settle
    # A map keeps its groups until then: such a state says nothing of priorities.
    [ -z "$moving" ] || [ -z "$device_of_map" ] || fail "$map: not changed: in transition:$moving"
    found=$(print_paths | sort -k1,1nr -k2,2n -k3,3n -k4,4n -k5,5n -k6,6n -k7,7)
    case $found in *" up "*) ;; *) fail "$map: not changed: it has no path that is up" ;; esac
    case ${size:-0} in
    0)
        size=$(printf '%s\n' "$found" | cut -d ' ' -f 9 | sort -u)
        # shellcheck disable=SC2086 # one line
        is_number "${size:-0}" || fail "$map: not made: its paths do not have one size:" $size
        ;;
    *) found=$(printf '%s\n' "$found" | grep "^\([^ ]* \)\{8\}$size ") ;;
    esac
    case " $(printf '%s\n' "$found" | cut -d ' ' -f 7 | tr '\n' ' ')" in
    *" $1 "*) ;;
    *) fail "$1: it does not join the map $map, of $size sectors" ;;
    esac
    if [ "$policy" = auto ]; then
        policy=group_by_prio
        case $found in *' no '*) policy=failover ;; esac
    fi
    make_table
    if [ -z "$device_of_map" ]; then
        make_map || fail_for_now "$map: not made with the table '$table'"
        # shellcheck disable=SC2046 # its words
        set -- "$1" $(print_map "mpath-$wwid")
        device_of_map=$3:$4
    elif ! load || ! resume; then
        # A resume that fails leaves the map suspended with its old table.
        dmsetup clear "$map" </dev/null
        resume
        fail_for_now "$map: not changed to the table '$table'"
    fi
    # A new table has all paths active: those that multipath_path has failed stay so.
    for path in $(set +f && echo "$run/failed/mpath-$wwid"@*); do
        [ ! -e "$path" ] || dmsetup message "$map" 0 "fail_path ${path##*@}" </dev/null
    done
    say "$map: mpath-$wwid with $(printf '%s\n' "$found" | wc -l) paths, for $1"
    case " $(printf '%s\n' "$found" | cut -d ' ' -f 7 | tr '\n' ' ')" in
    *" $1 "*) ;;
    *) left_out=75 ;;
    esac
fi
make_partition_maps
exit "${left_out:-$status}"
"""

_CHECK_HEAD = r"""#
# sh check: look after the persistent maps without multipathd, until the host has shut down.
#
# A path that has failed is read, past the page cache and never through its map; one that answers,
# and still leads to the LUN of the map, is reinstated. Not one that multipath_path has failed.
# sh check stop: when the host shuts down and its file systems have been unmounted, end the queueing
# of the maps, so that nothing waits for a path that does not come back.
"""

_CHECK_TEXT = (
    f"\ndefault_interval={CHECK_INTERVAL}\n"
    + r"""\
patience=10   # Seconds for a path to answer.
window=300    # A path that was reinstated five times in so many seconds is left alone for as long.
mercy=60      # Seconds that a shutdown waits for a map without paths.

# The seconds since the host has started, as $now.
read_clock() {
    read_value /proc/uptime
    now=${value%%.*}
}

is_stopping() {
    [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]
}

# The interval of the map whose record is $1, as $interval.
read_interval() {
    interval=$(sed -n 's/^check_interval //p' "$1")
    is_number "$interval" || interval=$default_interval
}

# Whether the path $device has been reinstated too often of late.
is_flapping() {
    { read -r first _ _ _ last <"$run/reinstated/$device"; } 2>/dev/null || return
    [ $((last - first)) -lt "$window" ] && [ $((now - last)) -lt "$window" ]
}

note_reinstated() {
    read_clock
    # shellcheck disable=SC2046 # its words
    set -- $(cat "$run/reinstated/$device" 2>/dev/null) "$now"
    while [ $# -lt 5 ]; do set -- -"$window" "$@"; done
    [ $# -lt 6 ] || shift
    printf '%s\n' "$*" >"$run/reinstated/$device"
    ! is_flapping ||
        say "$name: $disk was reinstated five times in $window seconds; if it fails again, it is" \
            "left alone for $window seconds"
}

# Reinstate the path $disk, $device of the map $name, if it answers.
try_path() {
    timeout -s KILL "$patience" dd if="/dev/$disk" of=/dev/null bs=4096 count=1 iflag=direct \
        2>/dev/null </dev/null || return
    read_value "$block/$disk/dev"
    [ "$value" = "$device" ] || return
    if ! names_lun "$disk"; then
        say "$name: $disk is not reinstated: its SCSI page 0x83 does not name the LUN $wwid"
        return
    fi
    # A task that fails the path has the lock meanwhile.
    exec 9>>"$lock"
    flock --shared --timeout 60 9 || return
    [ ! -e "$run/failed/$uuid@$device" ] && [ -f "$record" ] || return
    dmsetup message "$name" 0 "reinstate_path $device" </dev/null || return
    say "$name: reinstated $disk, which answers again"
    note_reinstated
}

look_at_path() {
    [ ! -e "$run/failed/$uuid@$device" ] || return
    disk=$(readlink -e "/sys/dev/block/$device") || return
    disk=${disk##*/}
    case $disk in *[!0-9A-Za-z]*) return ;; esac
    read_value "$block/$disk/device/state"
    case $value in
    offline | *blocked | transport-offline | cancel | deleted | dead) return ;;
    esac
    read_clock
    ! is_flapping || return
    # A read that hangs keeps nothing but itself.
    mkdir "$run/reading/$device" 2>/dev/null || return
    {
        try_path
        rmdir "$run/reading/$device"
    } &
}

# A map without an active path: a shutdown waits for it so long, and no longer.
end_queueing_late() {
    is_stopping || return
    read_clock
    [ -e "$run/stopping" ] || printf '%s\n' "$now" >"$run/stopping"
    read_value "$run/stopping"
    [ $((now - value)) -ge "$mercy" ] || return
    say "$name: the host shuts down, and no path has come back: queueing ends"
    dmsetup message "$name" 0 fail_if_no_path </dev/null
}

# The line of dmsetup status about a map.
look_at_map() {
    name=${1%%: 0 *}
    uuid=$(dmsetup info --columns --noheadings -o uuid "$name" 2>/dev/null </dev/null)
    wwid=${uuid#mpath-}
    record=$records/$uuid.map
    case $uuid in mpath-?*) ;; *) return ;; esac
    [ -f "$record" ] && ! of_multipathd || return
    read_interval "$record"
    # shellcheck disable=SC2086 # its words
    set -- ${1#*: 0 }
    active=0
    while [ $# -gt 1 ]; do
        device=$1
        shift
        case $device:$1 in
        [0-9]*:[0-9]*:A) active=$((active + 1)) ;;
        [0-9]*:[0-9]*:F)
            [ "$interval" = 0 ] || [ $((clock % interval)) -ge "$step" ] || look_at_path
            ;;
        esac
    done
    [ "$active" -gt 0 ] || end_queueing_late
}

end_queueing() {
    for record in $(set +f && echo "$records"/mpath-*.map); do
        uuid=${record##*/}
        name=$(print_map "${uuid%.map}")
        [ -z "$name" ] || dmsetup message "${name##* }" 0 fail_if_no_path </dev/null
    done
}

if [ "${1:-}" = stop ]; then
    ! is_stopping || of_multipathd || end_queueing
    exit 0
fi
mkdir -p "$run/failed" "$run/reinstated" "$run/reading"
(set +f && rmdir "$run"/reading/* 2>/dev/null)
clock=0
while :; do
    step=$(set +f && sed -n 's/^check_interval \([1-9][0-9]*\)$/\1/p' "$records"/mpath-*.map \
        2>/dev/null | sort -n | head -n 1)
    [ -n "$step" ] && [ "$step" -lt "$default_interval" ] || step=$default_interval
    sleep "$step"
    clock=$((clock + step))
    for path in $(set +f && echo "$run"/failed/*); do
        uuid=${path##*/}
        [ ! -e "$path" ] || [ -n "$(print_map "${uuid%@*}")" ] || rm -f "$path"
    done
    dmsetup status --noflush --target multipath 2>/dev/null </dev/null |
        while IFS= read -r line; do
            case $line in *' F '*) look_at_map "$line" ;; esac
        done
done
"""
)

_CHECK_UNIT_TEXT = """
[Unit]
Description=Check of failed paths of persistent multipath maps
DefaultDependencies=no
StartLimitIntervalSec=0
ConditionKernelCommandLine=!nompath
ConditionKernelCommandLine=!multipath=off
# Mounts end before it, so that they have had their chance when queueing ends.
Wants=local-fs-pre.target remote-fs-pre.target
Before=local-fs-pre.target remote-fs-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
ExecStart=/bin/sh /etc/san.device_mapper/check
ExecStop=/bin/sh /etc/san.device_mapper/check stop
TimeoutStopSec=10
Restart=on-failure
RestartSec=10
"""

STATIC = {
    PROGRAM: MANAGED + _PROGRAM_HEAD + _SHARED_TEXT + _ASSEMBLE_TEXT,
    CHECK: MANAGED + _CHECK_HEAD + _SHARED_TEXT + _CHECK_TEXT,
    CHECK_UNIT: MANAGED + _CHECK_UNIT_TEXT,
    KPARTX_RULES: MANAGED + _KPARTX_RULES_TEXT,
    RULES: MANAGED + _RULES_TEXT,
    UNIT: MANAGED + _UNIT_TEXT,
}
"""The texts by their paths."""
