# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests boot from: kernels and initramfs images, made from Debian's packages.

A guest's initramfs is three uncompressed cpio archives one behind the other:
  userland   programs and libraries, the same for every kernel (cached)
  modules    the kernel modules a scenario can want, decompressed (cached, one per kernel)
  payload    the project's modules, the scenario and its settings (made for each run)
No package is installed for it: mmdebstrap downloads and unpacks into the cache.
"""
import dataclasses
import glob
import os
import pathlib
import re
import shutil
import subprocess

from config import CACHE, LAB, TESTS, LabError, OutOfTime, cached, command, key_of, run, say

PACKAGES = """bash blktrace busybox-static coreutils diffutils dmsetup e2fsprogs ethtool fdisk
    findutils gawk grep ibverbs-providers ibverbs-utils iproute2 iputils-ping jq kmod lvm2 mdadm
    mount nbd-client nbd-server nvme-cli perftest procps qemu-utils rdmacm-utils sed strace
    trace-cmd udev util-linux xfsprogs""".split()

PROGRAMS = """bash basename blkdiscard blkid blkparse blktrace blockdev cat chmod chown cmp comm cp
    cut date dd dirname dmesg dmsetup du e2fsck echo env ethtool expr false fallocate find findmnt
    flock fsck.ext4 fstrim gawk getopt grep head ib_read_bw ib_read_lat ib_send_lat
    ib_write_bw ib_write_lat ibv_devinfo ionice ip jq kill kmod ln losetup ls lsblk lsns mdadm
    mkdir mkfifo mkfs.ext4 mkfs.xfs mknod mktemp mount mountpoint mv nbd-client nbd-server nice
    nproc nsenter nvme od paste pgrep ping printf ps readlink realpath rdma rm rmdir rping sed
    seq setsid sfdisk sha256sum shuf sleep sort stat stdbuf strace stty sync tac tail taskset tc
    tee test timeout touch tr trace-cmd true truncate udaddy udevadm umount uname uniq unshare wc
    wipefs xfs_io xfs_repair xfs_growfs resize2fs""".split()

# Of Debian's packages too, but only in guests of scenarios that ask for them (programs=), with the
# files that they read.
EXTRA_PROGRAMS = {"lvm": [], "qemu-img": [], "qemu-io": [],
                  "qemu-system-x86_64": ["usr/share/seabios/bios*.bin", "usr/share/qemu/*.bin",
                                         "usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"],
                  "grub-mkimage": ["usr/lib/grub/i386-pc/*.[imls]*"],
                  "systemd": ["bin/systemctl", "bin/journalctl", "lib/systemd/systemd-journald",
                              "bin/systemd-tmpfiles", "lib/systemd/systemd-shutdown",
                              "lib/systemd/system-generators/systemd-fstab-generator",
                              "lib/udev/rules.d/99-systemd.rules",
                              "lib/systemd/system"]}

# Those of them whose packages are large: these have a root of their own, made when it is wanted.
LARGE_PACKAGES = "grub-pc-bin qemu-system-x86 systemd udev".split()
LARGE_PROGRAMS = ["qemu-system-x86_64", "grub-mkimage", "systemd"]

# What a machine inside of a guest has to load for its disk (machine=).
MACHINE_MODULES = "virtio_blk crc32c_generic ext4".split()

LINKS = {"modprobe": "kmod", "insmod": "kmod", "rmmod": "kmod", "lsmod": "kmod",
         "modinfo": "kmod", "depmod": "kmod", "awk": "gawk", "[": "test"}

# Loaded by scenarios or by what they use; dependencies come by themselves.
KERNEL_MODULES = """virtio_pci virtio_console virtio_blk virtio_net configfs ext4 xfs rdma_rxe
    rdma_ucm rdma_cm ib_uverbs ib_umad ib_cm iw_cm null_blk brd loop nbd nvme_rdma nvmet_rdma dummy
    veth dm_mod dm_delay dm_flakey dm_dust dm_log_writes dm_thin_pool dm_crypt dm_integrity
    dm_snapshot raid1 sch_netem crc32c_generic crc32_generic crc32_pclmul crc32c_intel libcrc32c
    crct10dif_generic crc64_rocksoft_generic xts ecb scsi_debug sd_mod sg_pool bfq mq_deadline
    kyber_iosched""".split()

LIB_DIRS = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "lib", "usr/lib",
            "usr/lib/x86_64-linux-gnu/systemd"]
BIN_DIRS = ["usr/sbin", "usr/bin", "sbin", "bin"]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel that guests can run. name is what the user calls it ("6.12", "uml")."""
    name: str
    release: str
    image: pathlib.Path
    modules: pathlib.Path       # .../lib/modules/RELEASE
    build: pathlib.Path         # for make KDIR=...
    arch: str                   # "x86_64" or "um"


# --- kernels --------------------------------------------------------------------------------------

def kernel(name, seconds=None):
    """Look a kernel up by version prefix, or build (find in the cache) one of our flavours, in so
    many seconds or not at all."""
    if re.match(r"\d", name):
        return _debian_kernel(name)
    limit = ["timeout", f"{seconds:.0f}"] if seconds else []    # ends make's jobs, too
    with command([*limit, "nice", LAB / "kernel-build.sh", name],
                 stdout=subprocess.PIPE) as process:
        out, _ = process.communicate()
    if limit and process.returncode == 124:
        raise OutOfTime(f"no time left to build the kernel {name}")
    if process.returncode:
        raise LabError(f"kernel-build.sh {name} failed")
    top = pathlib.Path(out.decode().split()[-1])
    release = (top / "release").read_text().strip()
    return Kernel(name, release, top / "kernel", top / "root/lib/modules" / release,
                  top / "build", "um" if name.startswith("uml") else "x86_64")


def _version_key(path):
    return [int(n) for n in re.findall(r"\d+", os.path.basename(path))]


def _debian_kernel(name):
    """The newest kernel of that version that has headers, since modules are built for it; of the
    real-time ones if the name ends in -rt."""
    version = name.removesuffix("-rt")
    flavour = "-rt" if version != name else ""
    found = [path for path in glob.glob(f"/usr/src/linux-headers-{version}[.-]*-amd64")
             if re.search(rf"\d{flavour}-amd64$", path)]
    if not found:
        part = " rt" if flavour else ""
        raise LabError(f"no kernel headers for {name}: run {LAB}/setup.sh{part}")
    headers = pathlib.Path(max(found, key=_version_key))
    release = headers.name[len("linux-headers-"):]
    image = pathlib.Path(f"/boot/vmlinuz-{release}")
    modules = pathlib.Path(f"/lib/modules/{release}")
    if not (image.exists() and (modules / "kernel").exists()):
        top = cached(f"debian-kernel/{release}", key_of(release),
                     lambda part: _unpack_kernel(release, part))
        image, modules = top / f"boot/vmlinuz-{release}", top / f"lib/modules/{release}"
    return Kernel(name, release, image, modules, headers, "x86_64")


def _unpack_kernel(release, part):
    """Take a kernel from its package without installing it: this host's boot menu, initramfs
    images and running modules stay as they are."""
    say(f"unpacking the package linux-image-{release}")
    part.mkdir(parents=True)
    run(["apt-get", "download", "-q", f"linux-image-{release}"], cwd=part)
    deb = next(part.glob("*.deb"))
    run(["dpkg-deb", "-x", deb, part])
    deb.unlink()
    run(["depmod", "-b", part, release])


# --- userland -------------------------------------------------------------------------------------

def debian_root(name="root", packages=None):
    """Debian's packages, downloaded and unpacked (no maintainer script runs)."""
    packages = packages or PACKAGES
    key = key_of(" ".join(packages), pathlib.Path("/etc/debian_version"))

    def make(part):
        say("unpacking Debian packages for the guests")
        run(["mmdebstrap", "--variant=extract", "--include=" + ",".join(packages),
             "bookworm", part])
    return cached(name, key, make)


def static_fio():
    """fio linked statically: Debian's own drags in 90 MB of libraries, slow to start."""
    def make(part):
        say("building fio")
        run([LAB / "build-fio.sh", part])
    return cached("fio", key_of(LAB / "build-fio.sh"), make)


def static_tool(name):
    """One of our small C programs, built statically."""
    source = TESTS / f"{name}.c"
    return cached(f"tool/{name}", key_of(source), lambda part: run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", part, source]))


# Programs of scenarios and where their sources are; they use the guests' libraries.
OWN_PROGRAMS = {"rnbd-peer": "peer/*.[ch]", "verbs-floor": "bench/verbs-floor.c",
                "held-disk": "held-disk.c", "replay-log": "replay-log.c"}


def own_program(name):
    """One of OWN_PROGRAMS, built when its sources have changed."""
    if name not in OWN_PROGRAMS:
        raise LabError(f"no program {name} (there are: {' '.join(OWN_PROGRAMS)})")
    sources = sorted(TESTS.glob(OWN_PROGRAMS[name]))
    return cached(f"tool/{name}", key_of(*sources), lambda part: run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-o", part,
         *[path for path in sources if path.suffix == ".c"], "-lrdmacm", "-libverbs", "-lpthread"]))


class Stage:
    """A directory that becomes a cpio archive: merged /usr, files copied with their libraries."""

    def __init__(self, top, root):
        self.top, self.root = top, root
        for name in ("proc", "sys", "dev", "tmp", "run", "root", "mnt", "var/log", "etc",
                     "usr/bin", "usr/lib", "usr/lib64"):
            (top / name).mkdir(parents=True)
        for name, target in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"),
                             ("lib64", "usr/lib64"), ("usr/sbin", "bin")):
            (top / name).symlink_to(target)

    def _place(self, source):
        """Where a file of the root goes: all programs into usr/bin, the rest below usr."""
        rel = source.relative_to(self.root)
        if str(rel.parent) in BIN_DIRS:
            return self.top / "usr/bin" / rel.name
        return self.top / (rel if rel.parts[0] in ("usr", "etc") else pathlib.Path("usr") / rel)

    def _needed(self, path):
        text = subprocess.run(["readelf", "-d", path], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False).stdout.decode()
        return re.findall(r"\(NEEDED\).*\[(.*)\]", text)

    def add(self, source):
        target = self._place(source)
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
            return
        real = source
        while real.is_symlink():
            link = os.readlink(real)
            real = self.root / link.lstrip("/") if link.startswith("/") else real.parent / link
        shutil.copy2(real, target)
        for lib in self._needed(target):
            self.add(self.library(lib))

    def library(self, name):
        for place in LIB_DIRS:
            if (self.root / place / name).exists():
                return self.root / place / name
        raise LabError(f"library {name} is in none of the packages")

    def program(self, name):
        for place in BIN_DIRS:
            path = self.root / place / name
            if path.is_symlink() or path.exists():
                return self.add(path)
        raise LabError(f"program {name} is in none of the packages")

    def udev(self):
        """The daemon (udevadm by another name) and Debian's rules; scenarios start it."""
        daemon = self.top / "usr/lib/systemd/systemd-udevd"
        daemon.parent.mkdir(parents=True)
        daemon.symlink_to("../../bin/udevadm")
        for place in ("lib", "usr/lib"):
            for path in sorted((self.root / place).glob("udev/rules.d/*.rules")):
                self.add(path)

    def busybox(self):
        """busybox fills in for every program that was not staged by itself."""
        self.program("busybox")
        names = run([self.top / "usr/bin/busybox", "--list"]).split()
        for name in names:
            if not (self.top / "usr/bin" / name).exists():
                (self.top / "usr/bin" / name).symlink_to("busybox")


def pack(top, out):
    """Pack a directory as an uncompressed cpio archive owned by root."""
    names = subprocess.run(["find", ".", "-mindepth", "1"], cwd=top, stdout=subprocess.PIPE,
                           check=True).stdout
    with open(out, "wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=top,
                       input=names, stdout=file, check=True)


def _stage_userland(part, root, fio, tools):
    top = part.with_name(part.name + ".d")
    shutil.rmtree(top, ignore_errors=True)
    stage = Stage(top, root)
    stage.add(root / "lib64/ld-linux-x86-64.so.2")
    for name in PROGRAMS:
        stage.program(name)
    for name in LIB_DIRS[:2]:
        for plugin in list((root / name / "libibverbs").glob("lib*-rdmav*.so")):
            if re.search("rxe|siw", plugin.name):
                stage.add(plugin)
    stage.add(stage.library("libgcc_s.so.1"))
    stage.udev()
    (top / "etc/libibverbs.d").mkdir()
    for name in ("rxe", "siw"):
        shutil.copy(root / f"etc/libibverbs.d/{name}.driver", top / "etc/libibverbs.d")
    (top / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (top / "etc/group").write_text("root:x:0:\n")
    (top / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (top / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    for name, target in LINKS.items():
        if not (top / "usr/bin" / name).exists():
            (top / "usr/bin" / name).symlink_to(target)
    shutil.copy(fio, top / "usr/bin/fio")
    for name, path in tools.items():
        shutil.copy(path, top / f"usr/bin/{name}")
    for name in ("fio", *tools):
        (top / f"usr/bin/{name}").chmod(0o755)
    stage.busybox()
    shutil.copy(LAB / "guest/init", top / "init")
    (top / "init").chmod(0o755)
    pack(top, part)
    shutil.rmtree(top)


def extra_cpios(names):
    """Archives with some of EXTRA_PROGRAMS, their libraries and files; they add to the userland."""
    large = [name for name in names if name in LARGE_PROGRAMS]
    small = [name for name in names if name not in LARGE_PROGRAMS]
    return [*([_extra_cpio(debian_root(), small)] if small else []),
            *([_extra_cpio(debian_root("large-root", LARGE_PACKAGES), large)] if large else [])]


def _extra_cpio(root, names):
    def make(part):
        top = part.with_name(part.name + ".d")
        shutil.rmtree(top, ignore_errors=True)
        stage = Stage(top, root)
        for name in names:
            stage.program(name)
            for pattern in EXTRA_PROGRAMS[name]:
                for path in sorted(root.glob(pattern)):
                    stage.add(path)
        pack(top, part)
        shutil.rmtree(top)
    return cached("initramfs/extra", key_of(root.name, LAB / "images.py", *names), make)


def userland():
    root, fio, tools = debian_root(), static_fio(), {"errno-op": static_tool("errno-op")}
    key = key_of(root.name, fio.name, tools["errno-op"].name, LAB / "images.py",
                 LAB / "guest/init")
    return cached("initramfs/userland", key,
                  lambda part: _stage_userland(part, root, fio, tools))


# --- kernel modules -------------------------------------------------------------------------------

def module_tree(krn):
    """The kernel's modules that guests can want, decompressed: a directory with lib/modules."""
    def make(part):
        source, target = krn.modules, part / "lib/modules" / krn.release
        target.mkdir(parents=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            if (source / name).exists():
                shutil.copy(source / name, target / name)
        for path in _module_files(krn):
            goal = target / os.path.relpath(path, source)
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, goal)
        packed = [str(p) for p in target.rglob("*.ko.xz")]
        if packed:
            run(["xz", "-d", "-T2", *packed])
        run(["depmod", "-b", part, krn.release])
    return cached(f"modules/{krn.name}", key_of(krn.release, str(krn.modules),
                                               LAB / "images.py"), make)


def _load_order(top, release, name):
    """The files of a module and of those that it needs, in the order of loading."""
    out = subprocess.run(["modprobe", "-d", top, "-S", release, "-D", name],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False).stdout.decode()
    return re.findall(r"^insmod (\S+)", out, re.M)


def _module_files(krn):
    base = str(krn.modules).removesuffix(f"/lib/modules/{krn.release}") or "/"
    return sorted({path for name in KERNEL_MODULES
                   for path in _load_order(base, krn.release, name)})


def machine_files(krn):
    """What a machine inside of a guest boots from, as (source, name below /lab): the kernel, and
    modules whose names sort in the order of loading."""
    files = []
    for name in MACHINE_MODULES:
        files += [path for path in _load_order(module_tree(krn), krn.release, name)
                  if path not in files]
    return [(krn.image, "machine/vmlinuz"),
            *[(path, f"machine/{number:02}-{os.path.basename(path)}")
              for number, path in enumerate(files)]]


def modules_cpio(krn):
    tree = module_tree(krn)
    return cached(f"initramfs/modules-{krn.name}", key_of(tree.name),
                  lambda part: pack(tree, part))


def project_cpio(krn, built):
    """An archive with the project's modules in lib/modules/RELEASE/updates and a module index
    that knows them, so that modprobe finds them in the guest as on an installed machine."""
    found = sorted(pathlib.Path(built).rglob("*.ko"))
    if not found:
        raise LabError(f"no modules in {built}")
    tree = module_tree(krn)

    def make(part):
        merged, only = part.with_name(part.name + ".all"), part.with_name(part.name + ".new")
        for path in (merged, only):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tree, merged, symlinks=True)
        home = merged / "lib/modules" / krn.release
        (home / "updates").mkdir()
        for path in found:
            run(["strip", "-g", "-o", home / "updates" / path.name, path])
        run(["depmod", "-b", merged, krn.release])
        new = only / "lib/modules" / krn.release
        shutil.copytree(home / "updates", new / "updates")
        for index in home.glob("modules.*"):
            shutil.copy(index, new / index.name)
        pack(only, part)
        shutil.rmtree(merged)
        shutil.rmtree(only)
    return cached(f"initramfs/project-{krn.name}", key_of(tree.name, LAB / "images.py", *found),
                  make)


def prepare(names):
    """Make everything that runs with these kernels will need."""
    CACHE.mkdir(parents=True, exist_ok=True)
    userland()
    for name in names:
        modules_cpio(kernel(name))
