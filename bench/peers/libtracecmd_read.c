// libtracecmd_read TRACE.DAT: all records of all CPUs in time order through libtracecmd; the time
// of each and, of sched_switch, prev_pid and next_pid by tep_field. Plug-ins are not loaded. In C,
// since the library's headers are not C++.
#include <event-parse.h>
#include <stdio.h>
#include <trace-cmd.h>

struct sums {
  struct tep_handle* tep;
  struct tep_event* sched_switch;
  struct tep_format_field* fields[2];
  unsigned long events, switches, sum;
};

static int on_record(struct tracecmd_input* input, struct tep_record* record, int cpu,
                     void* data) {
  struct sums* sums = data;
  (void)input;
  (void)cpu;
  sums->events++;
  sums->sum += record->ts;
  if (!sums->sched_switch || tep_data_type(sums->tep, record) != sums->sched_switch->id) return 0;
  sums->switches++;
  for (int i = 0; i < 2; i++) {
    unsigned long long value = 0;
    tep_read_number_field(sums->fields[i], record->data, &value);
    sums->sum += value;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  struct tracecmd_input* input = tracecmd_open(argv[1], TRACECMD_FL_LOAD_NO_PLUGINS);
  if (!input) {
    perror(argv[1]);
    return 1;
  }
  // A named buffer is read instead of an empty top one.
  if (tracecmd_buffer_instances(input) > 0) {
    struct tracecmd_input* buffer = tracecmd_buffer_instance_handle(input, 0);
    if (buffer) input = buffer;
  }
  struct sums sums = {0};
  sums.tep = tracecmd_get_tep(input);
  sums.sched_switch = tep_find_event_by_name(sums.tep, "sched", "sched_switch");
  if (sums.sched_switch) {
    sums.fields[0] = tep_find_field(sums.sched_switch, "prev_pid");
    sums.fields[1] = tep_find_field(sums.sched_switch, "next_pid");
  }
  tracecmd_iterate_events(input, NULL, 0, on_record, &sums);
  printf("libtracecmd: %lu events %lu switches sum %lx\n", sums.events, sums.switches, sums.sum);
  return 0;
}
