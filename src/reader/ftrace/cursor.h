#pragma once
// The StreamCursor of one CPU of one buffer: pages -> records -> canonical events.
//
// The hot path is decode_records(): one bounds check against the type's fixed size, then direct
// loads. A run has a fixed number of events and may end inside a page. Faults of a page end that
// page only; what could not be read becomes a loss window up to the next page's time. Counts
// (unknown ids, lost events, time going back) are reported once, at the end of the stream or when
// the cursor is destroyed.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reader/ftrace/block_source.h"
#include "reader/ftrace/event_table.h"
#include "reader/passed.h"
#include "reader/trace.h"

namespace vs::reader::ftrace {

/// The parts of an EventTable that each record needs, at hand, without what was not asked for.
struct DecodeTables {
  DecodeTables(const EventTable& events, const StreamRequest& request);

  CommonFields common;
  std::vector<std::uint16_t> wanted_by_id;  ///< index of the type; kNoType: not wanted, or unknown
  std::vector<DecodePlan> plans;
  std::vector<ArgLoads> arg_loads;
  std::vector<TextLoad> texts;

 private:
  void choose(const EventTable& events, std::uint16_t slots, DecodePlan& plan);
};

/// What all cursors of a trace share; lives in the Trace.
struct CursorContext {
  const EventTable& events;
  PageLayout layout;
  std::uint32_t cpu = 0;
  std::optional<OwnTime> trace_begin;  ///< earliest and latest page time known
  std::optional<OwnTime> trace_end;
};

class Cursor final : public StreamCursor {
 public:
  Cursor(const CursorContext& context, BlockSource source, const StreamRequest& request,
         Reporter report);
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() override;

  [[nodiscard]] Result<std::span<const model::Event>> next() override;
  [[nodiscard]] Status seek(OwnTime time) override;
  [[nodiscard]] std::uint64_t bytes_done() const override { return source_.bytes_done(); }
  void fields_json(const model::Event& event, std::string& out) const override;

 private:
  /// A problem that is reported once with its count and the place of the first.
  struct Tally {
    std::uint64_t count = 0;
    std::string place;
  };

  [[nodiscard]] Result<bool> next_block();
  void decode_pages();
  [[nodiscard]] bool open_page();
  void begin_page();
  void finish_page(PageReader::Step step);
  template <ByteOrder kOrder, bool kArguments>
  [[nodiscard]] PageReader::Step decode_records();
  template <ByteOrder kOrder, bool kArguments>
  [[nodiscard]] bool take_record(Bytes record, std::uint32_t at, model::Event& event);
  template <ByteOrder kOrder>
  void fill(const DecodePlan& plan, Bytes record, model::Event& event) const;
  void other_record(Bytes record, std::uint32_t at);
  [[nodiscard]] bool skip_page(std::size_t at) const;
  void bad_page(const PageFault& fault);
  void bad_event(std::string what, std::uint32_t at);
  void push_loss(std::int64_t begin, std::int64_t end, std::uint64_t lost);
  void end_stream();
  void report_tallies();
  void count(Tally& tally, std::uint32_t at, std::uint64_t by = 1);
  [[nodiscard]] std::uint64_t file_offset(std::uint32_t at) const;
  [[nodiscard]] std::string page_label(std::uint32_t at) const;

  const CursorContext context_;
  const StreamRequest request_;
  const Reporter report_;
  const DecodeTables tables_;

  BlockSource source_;
  Block block_;
  std::size_t position_ = 0;  ///< in block_, of the next page
  PageReader page_;
  std::uint32_t page_at_ = 0;  ///< in block_, of page_
  bool in_page_ = false;       ///< page_ has more records
  bool ended_ = false;
  bool gap_ = false;  ///< something before the next event could not be read
  bool any_time_ = false;
  std::int64_t last_time_ = 0;
  std::optional<std::int64_t> skip_before_;
  std::vector<model::Event> batch_;  ///< of fixed size; the first `filled_` are the run
  std::size_t filled_ = 0;
  PassedBuffer passed_;

  Tally goes_back_;
  Tally lost_;
  std::uint64_t gaps_unknown_ = 0;
  std::uint64_t gaps_ = 0;
  std::map<std::uint16_t, Tally> unknown_ids_;
};

}  // namespace vs::reader::ftrace
