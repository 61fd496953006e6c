// babeltrace2_read TRACE_FOLDER...: every event through libbabeltrace2 (src.ctf.fs to
// filter.utils.muxer to this sink); the time of each and, of sched_switch, prev_tid and next_tid.
#include <babeltrace2/babeltrace.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct State {
  const bt_event_class* sched_switch = nullptr;  ///< the class that was seen last
  std::uint64_t prev = 0;
  std::uint64_t next = 0;
  std::uint64_t events = 0;
  std::uint64_t switches = 0;
  std::uint64_t sum = 0;
};
State g_state;

std::uint64_t field_index(const bt_field_class* payload, const char* wanted) {
  const std::uint64_t count = bt_field_class_structure_get_member_count(payload);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto* member = bt_field_class_structure_borrow_member_by_index_const(payload, i);
    if (std::strcmp(bt_field_class_structure_member_get_name(member), wanted) == 0) return i;
  }
  return 0;
}

bool is_switch(const bt_event_class* type) {
  if (type == g_state.sched_switch) return true;
  if (std::strcmp(bt_event_class_get_name(type), "sched_switch") != 0) return false;
  const bt_field_class* payload = bt_event_class_borrow_payload_field_class_const(type);
  g_state.sched_switch = type;
  g_state.prev = field_index(payload, "prev_tid");
  g_state.next = field_index(payload, "next_tid");
  return true;
}

void take(const bt_message* message) {
  const bt_event* event = bt_message_event_borrow_event_const(message);
  std::int64_t ns = 0;
  bt_clock_snapshot_get_ns_from_origin(
      bt_message_event_borrow_default_clock_snapshot_const(message), &ns);
  g_state.sum += static_cast<std::uint64_t>(ns);
  ++g_state.events;
  if (!is_switch(bt_event_borrow_class_const(event))) return;
  ++g_state.switches;
  const bt_field* payload = bt_event_borrow_payload_field_const(event);
  for (const std::uint64_t index : {g_state.prev, g_state.next}) {
    g_state.sum += static_cast<std::uint64_t>(bt_field_integer_signed_get_value(
        bt_field_structure_borrow_member_field_by_index_const(payload, index)));
  }
}

bt_graph_simple_sink_component_consume_func_status on_messages(bt_message_iterator* iterator,
                                                               void* /*data*/) {
  bt_message_array_const messages = nullptr;
  std::uint64_t count = 0;
  switch (bt_message_iterator_next(iterator, &messages, &count)) {
    case BT_MESSAGE_ITERATOR_NEXT_STATUS_OK:
      break;
    case BT_MESSAGE_ITERATOR_NEXT_STATUS_END:
      return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_END;
    case BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN:
      return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_AGAIN;
    default:
      return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (bt_message_get_type(messages[i]) == BT_MESSAGE_TYPE_EVENT) take(messages[i]);
    bt_message_put_ref(messages[i]);
  }
  return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

[[noreturn]] void die(const char* what) {
  fmt::print(stderr, "babeltrace2_read: {}\n", what);
  std::exit(1);
}

const bt_plugin* plugin(const char* name) {
  const bt_plugin* out = nullptr;
  if (bt_plugin_find(name, BT_TRUE, BT_TRUE, BT_TRUE, BT_TRUE, BT_TRUE, &out) != 0) {
    die("a plug-in is missing");
  }
  return out;
}

const bt_component_source* add_source(bt_graph* graph, const char* folder) {
  bt_value* parameters = bt_value_map_create();
  bt_value* inputs = nullptr;
  bt_value_map_insert_empty_array_entry(parameters, "inputs", &inputs);
  bt_value_array_append_string_element(inputs, folder);
  const bt_component_source* out = nullptr;
  const auto* type = bt_plugin_borrow_source_component_class_by_name_const(plugin("ctf"), "fs");
  if (bt_graph_add_source_component(graph, type, folder, parameters, BT_LOGGING_LEVEL_NONE, &out) !=
      0) {
    die("cannot open the trace");
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  bt_graph* graph = bt_graph_create(0);
  const bt_component_filter* muxer = nullptr;
  const bt_component_sink* sink = nullptr;
  const auto* muxer_class =
      bt_plugin_borrow_filter_component_class_by_name_const(plugin("utils"), "muxer");
  bt_graph_add_filter_component(graph, muxer_class, "muxer", nullptr, BT_LOGGING_LEVEL_NONE,
                                &muxer);
  std::uint64_t input = 0;
  for (int i = 1; i < argc; ++i) {
    const bt_component_source* source = add_source(graph, argv[i]);
    const std::uint64_t ports = bt_component_source_get_output_port_count(source);
    for (std::uint64_t p = 0; p < ports; ++p, ++input) {
      bt_graph_connect_ports(
          graph, bt_component_source_borrow_output_port_by_index_const(source, p),
          bt_component_filter_borrow_input_port_by_index_const(muxer, input), nullptr);
    }
  }
  bt_graph_add_simple_sink_component(graph, "sink", nullptr, on_messages, nullptr, nullptr, &sink);
  bt_graph_connect_ports(graph, bt_component_filter_borrow_output_port_by_index_const(muxer, 0),
                         bt_component_sink_borrow_input_port_by_index_const(sink, 0), nullptr);
  if (bt_graph_run(graph) != BT_GRAPH_RUN_STATUS_OK) die("the run ended with an error");
  fmt::print("babeltrace2: {} events {} switches sum {:x}\n", g_state.events, g_state.switches,
             g_state.sum);
  std::fflush(stdout);
  std::_Exit(0);  // the library takes its graph down slowly
}
