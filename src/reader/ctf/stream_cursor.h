#pragma once
// StreamCursor of CTF: packet after packet, file after file of one stream.
//
//   open_packet()  head, losses told by counters, clock ─┐
//   decode_batch() up to 128 events from the window      │ until something is there to deliver
//   finish_packet() what was cut, where the next begins ─┘
//
// Loss windows (kLoss) that it makes:
//   events_discarded grew       [end of the packet before, end of this packet], exact number. LTTng
//                               reads the counter when it closes a packet, so the losses lie after
//                               the packet before was closed and before this one was.
//   packet_seq_num has a gap    [end of the packet before, begin of this packet], number unknown
//   bad event, unknown id, cut  [last event, end of the packet], number unknown
//   bad packet header           [end of the packet before, begin of the next good one], unknown
// After each the thread current on the CPU is unknown until a sched_switch says it.
//
// Ownership: the TraceModel and the chain of files must outlive the cursor. Threads: one at a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/file.h"
#include "reader/ctf/packet_directory.h"
#include "reader/ctf/plain_decoder.h"
#include "reader/ctf/program.h"
#include "reader/ctf/record_plan.h"
#include "reader/ctf/time_scale.h"
#include "reader/ctf/trace_model.h"
#include "reader/ctf/window.h"
#include "reader/passed.h"
#include "reader/trace.h"

namespace vs::reader::ctf {

/// The files of one stream in time order; several when the tracer rotates them.
struct StreamFile {
  std::string path;
  std::string name;        ///< for places: "k_0"
  std::string index_path;  ///< empty when there is none, or it is not to be trusted
};

struct CursorSource {
  const TraceModel& model;
  os::FileSystem& files;
  std::span<const StreamFile> chain;
  std::string trace_path;  ///< `trace` of issues
};

class CtfCursor final : public StreamCursor {
 public:
  CtfCursor(const CursorSource& source, const StreamRequest& request, model::IssueLog& issues);

  [[nodiscard]] Result<std::span<const model::Event>> next() override;
  [[nodiscard]] Status seek(OwnTime time) override;
  [[nodiscard]] std::uint64_t bytes_done() const override;
  void fields_json(const model::Event& event, std::string& out) const override;

  /// From now on packets are opened and closed without a look at their events; only losses are
  /// delivered.
  void only_headers();
  /// For tests: from now on every event takes the general way.
  void leave_plans();

 private:
  /// How one event type is to be treated; its program is compiled when the first one is met.
  struct EventPlan {
    std::uint32_t program = kNone;
    model::EventKind kind = model::EventKind::kUnknown;
    std::uint16_t type = 0;
    bool deliver = false;
    bool has_tid = false;
    bool sets_tid = false;
  };
  struct StreamPlan {
    HeaderPlan header;
    RecordSet records;
    std::uint32_t header_program = kNone;
    std::vector<EventPlan> events;
  };
  /// What the packet before left behind.
  struct Before {
    OwnTime end;
    std::optional<Counter> sequence;
    std::optional<Counter> discarded;
    std::optional<std::uint64_t> begin;
  };

  /// Where seek() may begin to read.
  struct Stop {
    std::size_t file = 0;
    PacketPlace place;
    OwnTime reach;  ///< no event up to and with this packet is later
  };

  // stream_cursor.cc: files and packets
  [[nodiscard]] Result<bool> open_file(std::size_t index);
  [[nodiscard]] Result<bool> open_packet();
  [[nodiscard]] Status read_head(std::optional<PacketFault>& fault);
  [[nodiscard]] Status skip_bad_head(const PacketFault& fault);
  [[nodiscard]] Result<std::optional<std::uint64_t>> find_next_packet();
  [[nodiscard]] bool is_repeated() const;
  void start_packet();
  void report_losses();
  void report_sequence();
  void report_discarded();
  void report_cut();
  void finish_packet();
  void add_loss(OwnTime begin, OwnTime end, std::optional<std::uint64_t> lost);
  void add_issue(model::IssueCode code, std::uint64_t byte, std::string message,
                 std::uint64_t count = 1);
  [[nodiscard]] OwnTime packet_end() const;
  [[nodiscard]] Status build_directory();
  void add_stops(std::size_t file, const Directory& directory);
  [[nodiscard]] Result<Directory> directory_of_file(std::size_t index);

  // stream_decode.cc, stream_planned.cc: events
  enum class Outcome : std::uint8_t { kEvent, kUnknownId, kBad };
  [[nodiscard]] Status decode_batch();
  struct PlannedState;
  void decode_planned();
  template <ByteOrder kOrder, bool kAligned>
  [[nodiscard]] model::Event* decode_planned(PlannedState& state, model::Event* event);
  template <ByteOrder kOrder, bool kAligned>
  void skip_planned(PlannedState& state, std::size_t end);
  [[nodiscard]] bool read_more(const RecordPlan& plan, const FieldLoad* load, std::size_t at,
                               std::size_t& end, model::Event& event);
  void set_machine_input();
  [[nodiscard]] Outcome decode_event(std::uint64_t begin);
  [[nodiscard]] bool read_header(std::uint64_t& id);
  [[nodiscard]] bool read_fast_header(const FastHeader& header, std::uint64_t& id);
  void deliver(const EventPlan& plan, std::uint64_t begin);
  void plan_event(std::uint32_t event);
  [[nodiscard]] std::uint32_t program_of(std::uint32_t event);
  [[nodiscard]] bool handle_failure(Outcome outcome, std::uint64_t begin, bool at_batch_begin);
  [[nodiscard]] DecodeFault explain(std::uint64_t begin) const;
  void report_bad_event(Outcome outcome, std::uint64_t begin, const DecodeFault& fault);
  void make_plans(const StreamRequest& request);

  // constant
  const TraceModel& model_;
  os::FileSystem& files_;
  std::span<const StreamFile> chain_;
  std::string trace_path_;
  model::IssueLog& issues_;
  bool arguments_ = true;
  ArgumentChoice choice_;
  std::vector<model::FadeRule> fade_rules_;

  // programs
  ProgramSet programs_;
  Machine machine_;
  std::vector<StreamPlan> plans_;

  // the file
  std::unique_ptr<os::File> file_;
  std::size_t file_index_ = 0;
  std::uint64_t bytes_before_ = 0;  ///< sizes of the files done
  Window window_;
  std::vector<Stop> directory_;  ///< in the order of the stream
  std::vector<std::uint64_t> file_sizes_;
  bool have_directory_ = false;

  // the packet
  bool in_packet_ = false;
  bool resynchronised_ = false;
  bool only_headers_ = false;
  std::uint64_t packet_offset_ = 0;
  std::uint64_t packet_number_ = 0;
  PacketHead head_;
  std::uint64_t content_end_ = 0;  ///< bits that are there
  const StreamModel* stream_ = nullptr;
  StreamPlan* plan_ = nullptr;
  std::optional<Before> before_;
  std::uint32_t cpu_ = model::kNoCpu;

  // the flow of events
  ClockState clock_;
  TimeConverter converter_;
  OwnTime last_own_{0};
  bool any_time_ = false;
  bool order_reported_ = false;
  std::int32_t current_tid_ = model::kNoTid;
  const model::ThreadMarks* marks_ = nullptr;  ///< null: nothing fades, or no more
  std::size_t ahead_bytes_ = 0;  ///< how much of the packet decode_batch() wants present
  std::uint32_t failed_event_ = kNone;
  std::uint64_t failed_id_ = 0;

  // the batch
  static constexpr std::size_t kBatchEvents = 128;
  std::vector<model::Event> batch_;
  std::size_t count_ = 0;
  std::uint64_t batch_packet_ = 0;  ///< file offset of the packet the batch is from
  const StreamModel* batch_stream_ = nullptr;
  PassedBuffer passed_;
};

}  // namespace vs::reader::ctf
