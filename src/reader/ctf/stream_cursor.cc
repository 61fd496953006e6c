#include "reader/ctf/stream_cursor.h"

#include <algorithm>

namespace vs::reader::ctf {
namespace {

constexpr std::size_t kFirstHeadBytes = 4096;
constexpr std::size_t kMaxHeadBytes = 1U << 20;
constexpr std::size_t kAllPackets = std::size_t{1} << 40;

}  // namespace

void CtfCursor::add_issue(model::IssueCode code, std::uint64_t byte, std::string message,
                          std::uint64_t count) {
  model::Issue issue;
  issue.code = code;
  issue.trace = trace_path_;
  issue.place = chain_[file_index_].name + ":" + std::to_string(byte) + " packet " +
                std::to_string(packet_number_);
  issue.count = count;
  issue.message = std::move(message);
  issues_.add(std::move(issue));
}

void CtfCursor::add_loss(OwnTime begin, OwnTime end, std::optional<std::uint64_t> lost) {
  if (count_ >= batch_.size()) batch_.resize(count_ + 1);
  model::Event& event = batch_[count_++];
  event = model::Event{};
  event.kind = model::EventKind::kLoss;
  event.type = model::kLossType;
  event.own = begin;
  event.cpu = cpu_;
  event.args[model::arg::kLossEndOwn] = static_cast<std::uint64_t>(std::max(begin, end).value);
  event.present = 1U << model::arg::kLossEndOwn;
  if (lost) {
    event.args[model::arg::kLossLost] = *lost;
    event.present |= 1U << model::arg::kLossLost;
  }
  current_tid_ = model::kNoTid;
}

void CtfCursor::only_headers() {
  only_headers_ = true;
  window_.read_ahead(kFirstHeadBytes);
}

Result<bool> CtfCursor::open_file(std::size_t index) {
  if (index >= chain_.size()) return false;
  if (file_ != nullptr) bytes_before_ += file_->size();
  file_index_ = index;
  VS_ASSIGN(file_, files_.open(chain_[index].path));
  if (!only_headers_) file_->advise_sequential();
  window_.open(*file_);
  packet_offset_ = 0;
  packet_number_ = 0;
  in_packet_ = false;
  return true;
}

// Reads the head of the packet at packet_offset_, growing the window while the head needs more.
Status CtfCursor::read_head(std::optional<PacketFault>& fault) {
  for (std::size_t wanted = kFirstHeadBytes;; wanted *= 16) {
    VS_TRY(window_.ensure(packet_offset_, wanted));
    const std::uint64_t left = window_.file_size() - packet_offset_;
    const Bytes bytes = window_.present(packet_offset_);
    fault = read_packet_head(model_, bytes, left, machine_.registers(), head_);
    if (!fault || !fault->needs_more) return {};
    if (bytes.size() >= left || wanted >= kMaxHeadBytes) return {};
  }
}

Result<bool> CtfCursor::open_packet() {
  while (file_ == nullptr || packet_offset_ >= window_.file_size()) {
    VS_ASSIGN(const bool more, open_file(file_ == nullptr ? file_index_ : file_index_ + 1));
    if (!more) return false;
  }
  std::optional<PacketFault> fault;
  VS_TRY(read_head(fault));
  if (packet_offset_ >= window_.file_size()) return true;  // the file became shorter
  if (fault) {
    VS_TRY(skip_bad_head(*fault));
    return true;
  }
  if (is_repeated()) {
    add_issue(model::IssueCode::kBadPacketHeader, packet_offset_,
              "packet repeats packet_seq_num " + std::to_string(head_.sequence->value) +
                  "; it is skipped");
    packet_offset_ += head_.packet_bits / 8;
    ++packet_number_;
    return true;
  }
  start_packet();
  return true;
}

bool CtfCursor::is_repeated() const {
  return before_ && before_->sequence && head_.sequence && head_.begin && before_->begin &&
         before_->sequence->value == head_.sequence->value && *before_->begin == *head_.begin;
}

Status CtfCursor::skip_bad_head(const PacketFault& fault) {
  const std::uint64_t left = window_.file_size() - packet_offset_;
  if (fault.needs_more) {
    add_issue(model::IssueCode::kTruncatedPacket, packet_offset_,
              "packet's header is cut: " + fault.what + "; " + std::to_string(left) +
                  " bytes of the packet are there");
    packet_offset_ = window_.file_size();
    return {};
  }
  const std::uint64_t bad = packet_offset_;
  VS_ASSIGN(const std::optional<std::uint64_t> next, find_next_packet());
  add_issue(
      model::IssueCode::kBadPacketHeader, bad + fault.bit / 8,
      fault.what + "; " +
          (next ? "the next packet was found at byte " + std::to_string(*next)
                : "no further packet was found, " + std::to_string(left) + " bytes are skipped"));
  packet_offset_ = next.value_or(window_.file_size());
  ++packet_number_;
  resynchronised_ = true;
  if (!next && before_) add_loss(before_->end, before_->end, std::nullopt);
  return {};
}

// Tries each 8th byte that holds the magic number, in file order.
Result<std::optional<std::uint64_t>> CtfCursor::find_next_packet() {
  std::uint64_t at = packet_offset_;
  while (at < window_.file_size()) {
    VS_TRY(window_.ensure(at, kFirstHeadBytes));
    if (at >= window_.file_size()) break;
    const Bytes bytes = window_.present(at);
    const auto found = find_packet_magic(model_, bytes);
    if (!found) {
      // A magic number may lie across the end: keep 8-byte steps and look at the last step again.
      const std::uint64_t step = bytes.size() > 16 ? (bytes.size() - 8) / 8 * 8 : bytes.size();
      at += step;
      continue;
    }
    at += *found;
    VS_TRY(window_.ensure(at, kFirstHeadBytes));
    PacketHead head;
    const auto fault = read_packet_head(model_, window_.present(at), window_.file_size() - at,
                                        machine_.registers(), head);
    if (!fault) return std::optional(at);
  }
  return std::optional<std::uint64_t>();
}

OwnTime CtfCursor::packet_end() const {
  const OwnTime end = head_.end ? stream_->scale.to_own(*head_.end) : last_own_;
  return std::max(end, last_own_);
}

void CtfCursor::start_packet() {
  stream_ = head_.stream;
  plan_ = &plans_[static_cast<std::size_t>(stream_ - model_.streams.data())];
  converter_.set(stream_->scale);
  if (head_.cpu) {
    const auto cpu = static_cast<std::uint32_t>(*head_.cpu);
    if (before_ && cpu != cpu_) marks_ = nullptr;  // another CPU runs another thread
    cpu_ = cpu;
  }
  const std::uint64_t there = (window_.file_size() - packet_offset_) * 8;
  content_end_ = std::min(head_.content_bits, there);
  if (head_.begin) {
    clock_.set(*head_.begin);
    last_own_ = any_time_ ? std::max(last_own_, stream_->scale.to_own(*head_.begin))
                          : stream_->scale.to_own(*head_.begin);
    any_time_ = true;
  }
  report_losses();
  resynchronised_ = false;
  in_packet_ = true;
  ahead_bytes_ = 0;
  machine_.set_position(head_.head_bits);
}

void CtfCursor::report_losses() {
  if (before_ && resynchronised_) {
    const OwnTime begin = head_.begin ? stream_->scale.to_own(*head_.begin) : before_->end;
    add_loss(before_->end, begin, std::nullopt);
  }
  if (before_ && before_->sequence && head_.sequence) report_sequence();
  if (head_.discarded) report_discarded();
}

void CtfCursor::report_sequence() {
  const std::uint64_t step = before_->sequence->until(head_.sequence->value);
  if (step == 1 || resynchronised_) return;
  const std::string from = std::to_string(before_->sequence->value);
  const std::string to = std::to_string(head_.sequence->value);
  const std::uint64_t half = std::uint64_t{1} << (head_.sequence->bits - 1);
  if (step == 0 || step > half) {
    add_issue(model::IssueCode::kLostPackets, packet_offset_,
              "packet_seq_num goes back from " + from + " to " + to);
  } else {
    add_issue(model::IssueCode::kLostPackets, packet_offset_,
              std::to_string(step - 1) + " packets are missing: packet_seq_num goes from " + from +
                  " to " + to,
              step - 1);
  }
  const OwnTime begin = head_.begin ? stream_->scale.to_own(*head_.begin) : before_->end;
  add_loss(before_->end, begin, std::nullopt);
}

void CtfCursor::report_discarded() {
  const OwnTime begin = head_.begin ? stream_->scale.to_own(*head_.begin) : last_own_;
  std::uint64_t lost = 0;
  OwnTime from = begin;
  if (before_ && before_->discarded) {
    lost = before_->discarded->until(head_.discarded->value);
    from = before_->end;
  } else if (!before_ && (!head_.sequence || head_.sequence->value == 0)) {
    lost = head_.discarded->value;  // the counter began with this packet
  }
  if (lost == 0) return;
  add_issue(model::IssueCode::kLostEvents, packet_offset_,
            std::to_string(lost) + " events were discarded before the end of this packet", lost);
  add_loss(from, packet_end(), lost);
}

void CtfCursor::report_cut() {
  const std::uint64_t there = window_.file_size() - packet_offset_;
  const std::uint64_t claimed = head_.packet_bits / 8;
  if (claimed <= there) return;
  add_issue(model::IssueCode::kTruncatedPacket, packet_offset_,
            "packet claims " + std::to_string(claimed) + " bytes, " + std::to_string(there) +
                " are there");
  if (content_end_ < head_.content_bits) add_loss(last_own_, packet_end(), std::nullopt);
}

void CtfCursor::finish_packet() {
  passed_.flush(cpu_);
  report_cut();
  before_ = Before{packet_end(), head_.sequence, head_.discarded, head_.begin};
  const std::uint64_t left = window_.file_size() - packet_offset_;
  packet_offset_ += std::min(head_.packet_bits / 8, left);
  ++packet_number_;
  in_packet_ = false;
}

Result<Directory> CtfCursor::directory_of_file(std::size_t index) {
  VS_ASSIGN(const std::unique_ptr<os::File> file, files_.open(chain_[index].path));
  file_sizes_.push_back(file->size());
  if (!chain_[index].index_path.empty()) {
    PacketHead head;
    VS_ASSIGN(const bool readable, read_head_at(model_, *file, 0, head));
    Result<std::unique_ptr<os::File>> opened = files_.open(chain_[index].index_path);
    if (readable && opened.ok()) {
      Result<std::vector<std::byte>> bytes = os::read_whole(**opened, file->size() + 4096, "index");
      Result<std::vector<IndexEntry>> entries =
          bytes.ok() ? parse_index(*bytes, {}) : Result<std::vector<IndexEntry>>(bytes.error());
      if (entries.ok() && check_index(*entries, file->size(), {}).ok()) {
        return ctf::directory_of(*entries, head);
      }
    }
  }
  return walk_packets(model_, *file, kAllPackets);
}

Status CtfCursor::build_directory() {
  if (have_directory_) return {};
  directory_.clear();
  file_sizes_.clear();
  for (std::size_t i = 0; i < chain_.size(); ++i) {
    VS_ASSIGN(const Directory directory, directory_of_file(i));
    add_stops(i, directory);
  }
  have_directory_ = true;
  return {};
}

void CtfCursor::add_stops(std::size_t file, const Directory& directory) {
  OwnTime reach = directory_.empty() ? kOwnTimeMin : directory_.back().reach;
  // What lies behind an unreadable packet is reached only by reading on from before it.
  if (file > 0 && directory.packets.empty()) reach = kOwnTimeMax;
  if (!directory_.empty()) directory_.back().reach = reach;
  for (const PacketPlace& place : directory.packets) {
    reach = std::max(reach, place.end);
    directory_.push_back(Stop{file, place, reach});
  }
  if (!directory.complete && !directory.packets.empty()) directory_.back().reach = kOwnTimeMax;
}

// To the first packet that may hold an event with own >= time; without one, to the last.
Status CtfCursor::seek(OwnTime time) {
  VS_TRY(build_directory());
  file_.reset();
  file_index_ = 0;
  bytes_before_ = 0;
  before_.reset();
  in_packet_ = false;
  count_ = 0;
  any_time_ = false;
  current_tid_ = model::kNoTid;
  marks_ = nullptr;
  auto stop = std::partition_point(directory_.begin(), directory_.end(),
                                   [time](const Stop& one) { return one.reach < time; });
  if (stop == directory_.end() && stop != directory_.begin()) --stop;
  if (stop == directory_.end()) return {};
  VS_ASSIGN(const bool opened, open_file(stop->file));
  if (!opened) return {};
  for (std::size_t i = 0; i < stop->file; ++i) bytes_before_ += file_sizes_[i];
  packet_offset_ = stop->place.offset;
  packet_number_ = stop->place.number;
  if (stop != directory_.begin()) {
    const PacketPlace& previous = std::prev(stop)->place;
    before_ = Before{previous.end, previous.sequence, previous.discarded, std::nullopt};
  }
  return {};
}

std::uint64_t CtfCursor::bytes_done() const {
  return bytes_before_ + packet_offset_ + (in_packet_ ? machine_.position() / 8 : 0);
}

Result<std::span<const model::Event>> CtfCursor::next() {
  count_ = 0;
  while (count_ == 0) {
    if (in_packet_ && only_headers_) {
      finish_packet();
      continue;
    }
    if (in_packet_) {
      VS_TRY(decode_batch());
      continue;
    }
    VS_ASSIGN(const bool more, open_packet());
    if (!more) break;
  }
  passed_.flush(cpu_);
  return std::span<const model::Event>(batch_).first(count_);
}

}  // namespace vs::reader::ctf
