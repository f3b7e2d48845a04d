#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deploy/slurm's job on a real Slurm: a slurmctld and three slurmd of this test's own, on this machine.
# One that runs to its end, one that is cut off and submitted again, one by srun.
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
for program in munged slurmctld slurmd sbatch mpirun; do
  command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || skip "no $program"
done
export PATH=$PATH:/usr/sbin OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export TERN_MPI=$tern_mpi

scratch=$(mktemp -d /tmp/tern-slurm-XXXXXX)
unset "${!SLURM_@}" # of a Slurm that this test runs under
export SLURM_CONF=$scratch/slurm.conf
daemons=()
cleanup() {
  timeout 10 scancel --user=root 2>/dev/null
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
# until_true COMMAND...: tries again until it succeeds. Bounded against what hangs; how long it takes
# is not for this test to say.
until_true() {
  timeout 300 bash -c 'until "$@" >/dev/null 2>&1; do read -rt 0.1 <> <(:); done; true' - "$@"
}

nodes=(n1 n2 n3)
mkdir -p "$scratch"/{munge,state} "${nodes[@]/#/$scratch/spool-}" "${nodes[@]/#/$scratch/tmp-}"
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
SlurmdSpoolDir=$scratch/spool-%n
TmpFS=$scratch/tmp-%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
PartitionName=all Nodes=ALL Default=YES
END
for node in "${nodes[@]}"; do
  echo "NodeName=$node NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1"
done >>"$scratch/slurm.conf"
slurmctld -D >"$scratch/slurmctld.log" 2>&1 &
daemons+=($!)
for node in "${nodes[@]}"; do
  slurmd -D -N "$node" >"$scratch/$node.log" 2>&1 &
  daemons+=($!)
done
idle() { [ "$(sinfo -h -t idle -N | wc -l)" = 3 ]; }
export -f idle
until_true idle || fail "no three idle nodes"

for i in $(seq 1 8); do echo "{\"prompt\": \"Number $i\", \"max_tokens\": 8}"; done >"$scratch/in"
"$tern_mpi" --model "$model" --input "$scratch/in" --output "$scratch/want" \
  >"$scratch/alone.log" 2>&1 || fail "without Slurm"

submit() { # NODES INPUT OUTPUT SBATCH_OPTION...
  local nodes=$1 input=$2 output=$3
  shift 3
  timeout 600 sbatch "$@" --nodes="$nodes" --output="$scratch/job" \
    "$deploy/slurm/tern-mpi.sbatch" "$model" "$input" "$output" --replicas 1 --use-all
}
submit 3 "$scratch/in" "$scratch/out" --wait || fail "the job"
grep -q "3 ranks: 1 pipeline of 3 stages" "$scratch/job" || fail "not three ranks"
cmp "$scratch/want" "$scratch/out" || fail "other answers"

# Of the input half comes, and not its end: the job is in the middle until it is cancelled.
mkfifo "$scratch/half"
exec 3<>"$scratch/half"
head -n 4 "$scratch/in" >&3
job=$(submit 2 "$scratch/half" "$scratch/cut" --parsable) || fail "the job that is cut off"
answered() { [ "$(wc -l <"$1")" = 5 ]; } # with the header
export -f answered
until_true answered "$scratch/cut.journal" || fail "the job that is cut off answers nothing"
scancel "$job"
until_true idle || fail "a job that does not end"
exec 3>&-
[ -e "$scratch/cut" ] && fail "an output of half a job"
submit 2 "$scratch/in" "$scratch/cut" --wait || fail "the job that goes on"
grep -q "4 answers are there already" "$scratch/job" || fail "it began anew"
cmp "$scratch/want" "$scratch/cut" || fail "going on gives other answers"

if srun --mpi=list 2>&1 | grep -qw pmix; then
  timeout 600 srun --mpi=pmix --cpu-bind=none --kill-on-bad-exit=1 --nodes=2 --ntasks-per-node=1 \
    "$tern_mpi" --model "$model" --input "$scratch/in" --output "$scratch/direct" --replicas 1 \
    --use-all >"$scratch/job" 2>&1 || fail "srun"
  grep -q "2 ranks: 1 pipeline of 2 stages" "$scratch/job" || fail "srun: not two ranks"
  cmp "$scratch/want" "$scratch/direct" || fail "srun gives other answers"
else
  echo "not tried: srun, as this Slurm has no PMIx"
fi
