#!/bin/sh
# Runs a statically linked x86-64 program on a CPU that this machine need not have: Bochs boots a Linux kernel whose
# init is the program. Prints what it prints and ends with its exit status. A runner for cargo: see run.sh.
#
#   bochs.sh PROGRAM [ARGUMENT…]
#
# EMULATED_CPU  one of `bochs --help cpu`: sapphire_rapids (AVX-512 VNNI and AVX-VNNI) unless set
# LIMIT         seconds after which it is stopped: 900 unless set
# KERNEL        a kernel with serial console and initramfs built in, as Debian's: the newest in /boot unless set
# Variables named RUST_…, PROPTEST_… and DATELINE_… are handed on.
set -eu
program=$1
shift
kernel=${KERNEL:-$(find /boot -name 'vmlinuz-*' | sort -V | tail -n 1)}
debian=${DEBIAN:-} # where Debian's packages are unpacked, if not into /
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/root/bin" "$work/root/dev" "$work/root/proc" "$work/root/sys" "$work/root/tmp" "$work/cd"
cp "$debian/usr/bin/busybox" "$work/root/bin/busybox"
strip --strip-debug -o "$work/root/program" "$program"
{
    echo '#!/bin/busybox sh'
    for mount in proc:/proc sysfs:/sys devtmpfs:/dev; do
        echo "/bin/busybox mount -t ${mount%:*} none ${mount#*:}"
    done
    echo '/bin/busybox stty -F /dev/console -onlcr'
    export -p | sed 's/^declare -x/export/' | grep -E '^export (RUST_|PROPTEST_|DATELINE_)' || true
    printf 'echo "== started"\n/program'
    for argument; do
        printf " '%s'" "$(printf %s "$argument" | sed "s/'/'\\\\''/g")"
    done
    printf ' </dev/null\necho "== exit status $?"\n/bin/busybox sleep 1\n/bin/busybox reboot -f\n'
} >"$work/root/init"
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc --quiet) >"$work/cd/initrd"
cp "$kernel" "$work/cd/vmlinuz"
cp "$debian/usr/lib/ISOLINUX/isolinux.bin" "$debian/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/cd"
# Bochs has AMX without XFD, which Linux cannot use, and stumbles over system management mode, which ACPI starts. A
# restart by triple fault ends Bochs.
cat >"$work/cd/isolinux.cfg" <<CONFIG
default linux
label linux
    kernel /vmlinuz
    append initrd=/initrd console=ttyS0 quiet acpi=off clearcpuid=amx_tile nokaslr mitigations=off panic=-1 reboot=t
CONFIG
xorriso -as mkisofs -quiet -R -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    -o "$work/cd.iso" "$work/cd" 2>"$work/xorriso" || { cat "$work/xorriso" >&2; exit 1; }

: >"$work/serial"
: >"$work/log"
cat >"$work/bochsrc" <<CONFIG
config_interface: textconfig
display_library: term
cpu: model=${EMULATED_CPU:-sapphire_rapids}, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=1024, host=1024
romimage: file=$debian/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=$debian/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
log: $work/log
panic: action=fatal
error: action=ignore
CONFIG
# Debian's Bochs draws on a window or on a terminal: Python gives it one.
TERM=vt100 timeout -s KILL "${LIMIT:-900}" python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' \
    bochs -q -f "$work/bochsrc" >"$work/screen" 2>&1 </dev/null || true
tr -d '\r' <"$work/serial" | sed -n '/^== started/,/^== exit status/{/^== /!p}'
status=$(sed -n 's/^== exit status \([0-9]*\).*/\1/p' "$work/serial")
if [ -z "$status" ]; then
    echo "$program did not end on ${EMULATED_CPU:-sapphire_rapids}:" >&2
    tail -n 5 "$work/serial" "$work/log" >&2
    status=1
fi
exit "$status"
