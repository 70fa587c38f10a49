#!/bin/sh
# Makes a root file system: rootfs.sh WORK_FOLDER ARCHIVE. Needs root and debootstrap.
set -eu
work=$1
archive=$2
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work"
# What no container reads. The package lists go too: they would be stale when somebody installs on top.
rm -rf "$work"/var/cache/apt/archives/*.deb "$work"/var/lib/apt/lists/* "$work"/var/log/*.log \
  "$work"/usr/share/doc "$work"/usr/share/man "$work"/usr/share/locale "$work"/var/cache/debconf/*-old
# The building machine's name servers and name are none of the image's business.
rm -f "$work"/etc/resolv.conf "$work"/etc/hostname
tar -C "$work" --numeric-owner --sort=name --mtime=@0 -cf "$archive" .
