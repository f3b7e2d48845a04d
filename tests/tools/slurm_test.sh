#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deploy/slurm's job on a real Slurm: a slurmctld and two slurmd of this test's own, on this machine.
# Skipped, with exit code 77, where Slurm is not installed or the test is not root.
#
#   slurm_test.sh PATH/TO/tern-mpi PATH/TO/model.gguf PATH/TO/deploy
set -uo pipefail
tern_mpi=$1
model=$2
deploy=$3
skip() {
  echo "skipped: $*"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "slurmd must be root"
for program in munged slurmctld slurmd sbatch scontrol mpirun; do
  command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || skip "no $program"
done
export PATH=$PATH:/usr/sbin OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export TERN_MPI=$tern_mpi

scratch=$(mktemp -d /tmp/tern-slurm-XXXXXX)
daemons=()
cleanup() {
  kill "${daemons[@]}" 2>/dev/null
  wait 2>/dev/null
  rm -rf "$scratch"
}
trap cleanup EXIT
fail() {
  echo "FAIL: $*"
  tail -n 20 "$scratch"/*.log "$scratch/job" 2>/dev/null
  exit 1
}
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# until_true COMMAND...: tries again until it succeeds, for half a minute.
until_true() {
  timeout 30 bash -c 'until "$@" >/dev/null 2>&1; do read -rt 0.1 <> <(:); done; true' - "$@"
}

mkdir -p "$scratch"/{munge,state,spool1,spool2}
chmod 755 "$scratch"
chmod 700 "$scratch/munge"
head -c 1024 /dev/urandom >"$scratch/munge/key"
chmod 600 "$scratch/munge/key"
munged --foreground --force --key-file="$scratch/munge/key" --socket="$scratch/socket" \
  --pid-file="$scratch/munge/pid" --log-file="$scratch/munge/log" \
  --seed-file="$scratch/munge/seed" >"$scratch/munged.log" 2>&1 &
daemons+=($!)
until_true test -S "$scratch/socket" || fail "munged"

cat >"$scratch/slurm.conf" <<END
ClusterName=tern
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmctldPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$scratch/socket
CredType=cred/munge
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1
PartitionName=all Nodes=n1,n2 Default=YES
END
sed -i 's/spool%n/spool_%n/' "$scratch/slurm.conf"
mkdir -p "$scratch"/spool_n1 "$scratch"/spool_n2
export SLURM_CONF=$scratch/slurm.conf
slurmctld -D >"$scratch/slurmctld.log" 2>&1 &
daemons+=($!)
for node in n1 n2; do
  slurmd -D -N "$node" >"$scratch/$node.log" 2>&1 &
  daemons+=($!)
done
idle() { [ "$(sinfo -h -t idle -N | wc -l)" = 2 ]; }
export -f idle
until_true idle || fail "no two idle nodes"

for i in $(seq 1 8); do echo "{\"prompt\": \"Number $i\", \"max_tokens\": 8}"; done >"$scratch/in"
"$tern_mpi" --model "$model" --input "$scratch/in" --output "$scratch/want" \
  >"$scratch/alone.log" 2>&1 || fail "without Slurm"
timeout 100 sbatch --wait --nodes=2 --output="$scratch/job" "$deploy/slurm/tern-mpi.sbatch" \
  "$model" "$scratch/in" "$scratch/out" --replicas 1 --use-all || fail "the job"
grep -q "2 ranks: 1 pipeline of 2 stages" "$scratch/job" || fail "not two ranks"
cmp "$scratch/want" "$scratch/out" || fail "other answers"
