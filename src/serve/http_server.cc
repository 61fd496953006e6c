#include "serve/http_server.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "serve/limits.h"

namespace vs::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr std::size_t kHandlerThreads = 4;
constexpr std::chrono::milliseconds kLookAgain{100};

using Parser = http::request_parser<http::string_body>;
using Answer = http::response<http::string_body>;

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

/// What a parser's error is to the client; 0: nothing can be said.
unsigned status_of(const beast::error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == beast::error::timeout) return 408;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return 0;
  return error.category() == http::make_error_code(http::error::bad_method).category() ? 400 : 0;
}

std::string_view title_of(unsigned status) {
  if (status == 431) return "Headers too large";
  if (status == 413) return "Body too large";
  if (status == 408) return "Too slow";
  return "Bad request";
}

void set_common_headers(const std::string& origin, Answer& answer) {
  answer.set(http::field::server, "virtscope");
  answer.set("Content-Security-Policy",
             "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src "
             "'self' data: blob:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; "
             "base-uri 'none'; form-action 'none'");
  answer.set("X-Content-Type-Options", "nosniff");
  answer.set("Referrer-Policy", "no-referrer");
  answer.set("Cross-Origin-Resource-Policy", origin.empty() ? "same-origin" : "cross-origin");
  if (answer.find(http::field::cache_control) == answer.end()) {
    answer.set(http::field::cache_control, "no-store");
  }
  if (origin.empty()) return;
  answer.set(http::field::access_control_allow_origin, origin);
  answer.set(http::field::vary, "Origin");
  answer.set(http::field::access_control_allow_headers, "content-type, accept");
  answer.set(http::field::access_control_allow_methods, "GET, POST, PUT, DELETE, OPTIONS, HEAD");
}

}  // namespace

namespace {

/// A client that has not sent a whole request yet; told to go when another one needs its place.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual void make_room() = 0;
};

}  // namespace

struct HttpServer::State {
  // Clients whose headers are not there yet, the longest first. Before `io`, whose end ends
  // clients.
  std::list<Waiting*> waiting;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::thread_pool pool{kHandlerThreads};
  asio::thread_pool slow_pool{limits::kQueries};
  std::atomic<bool> stopping{false};
  std::size_t connections = 0;  // those below on the thread of run() only
  std::size_t in_flight = 0;
  const Guard* guard = nullptr;
  const Handlers* handlers = nullptr;
  const std::atomic<bool>* interrupt = nullptr;

  /// Whether one more client may come in; the one that sends nothing for longest goes for it.
  [[nodiscard]] bool has_room() {
    if (connections < limits::kConnections) return true;
    if (waiting.empty()) return false;
    waiting.front()->make_room();
    return true;
  }
  [[nodiscard]] bool ends() const { return stopping || (interrupt != nullptr && *interrupt); }
  void accept();
  void look_again(asio::steady_timer& timer);
};

namespace {

/// One client. Lives as long as a callback holds it.
template <typename State>
class Connection final : public Waiting, public std::enable_shared_from_this<Connection<State>> {
 public:
  Connection(tcp::socket socket, State& state)
      : stream_(std::move(socket)), budget_(state.io), state_(state), place_(state.waiting.end()) {
    ++state_.connections;
  }
  ~Connection() override {
    cancel_ = true;
    end_waiting();
    --state_.connections;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read_head() {
    parser_.emplace();
    parser_->header_limit(limits::kHeaderBytes);
    parser_->body_limit(limits::kBodyBytes);
    stream_.expires_after(limits::kHeaderTime);
    place_ = state_.waiting.insert(state_.waiting.end(), this);
    auto self = this->shared_from_this();
    http::async_read_header(stream_, buffer_, *parser_,
                            [self](beast::error_code error, std::size_t) { self->on_head(error); });
  }

  void make_room() override {
    end_waiting();
    stream_.close();  // ends the read, and with it the connection
  }

 private:
  void end_waiting() {
    if (place_ == state_.waiting.end()) return;
    state_.waiting.erase(place_);
    place_ = state_.waiting.end();
  }

  void on_head(beast::error_code error) {
    end_waiting();
    if (error) return fail(error);
    const auto& message = parser_->get();
    Head head;
    head.method = text_of(message.method_string());
    head.target = text_of(message.target());
    for (const auto& field : message) {
      head.headers.emplace_back(text_of(field.name_string()), text_of(field.value()));
    }
    const auto length = parser_->content_length();
    head.has_body = message.chunked() || (length && *length > 0);
    if (message.version() != 11 && message.version() != 10) return refuse(400);
    auto verdict = state_.guard->judge(head);
    keep_ = message.keep_alive();
    head_only_ = head.method == "HEAD";
    if (verdict.refused) return send_last(std::move(*verdict.refused));
    admitted_ = std::move(*verdict.admitted);
    if (length && *length > limits::kBodyBytes) return refuse(413);
    stream_.expires_after(limits::kBodyTime);
    auto self = this->shared_from_this();
    http::async_read(stream_, buffer_, *parser_,
                     [self](beast::error_code failed, std::size_t) { self->on_body(failed); });
  }

  void on_body(beast::error_code error) {
    if (error) return fail(error);
    std::string body = std::move(parser_->get().body());
    if (admitted_.preflight) return send({204, "", "", {}});
    if (!body.empty()) {
      if (auto answer = Guard::bad_body(body)) return send(std::move(*answer));
    }
    if (admitted_.area == Area::kLogin) return send(state_.guard->login(body));
    if (state_.in_flight >= limits::kInFlight) {
      return send(problem(503, "Busy", "too many requests at once; ask again"));
    }
    dispatch(std::move(body));
  }

  void dispatch(std::string body) {
    ++state_.in_flight;
    stream_.expires_never();
    cancel_ = false;
    watch();
    limit_time();
    auto self = this->shared_from_this();
    Request request;
    request.method = admitted_.method;
    request.path = admitted_.path;
    request.query = admitted_.query;
    request.content_type = admitted_.content_type;
    request.body = std::move(body);
    request.cancel = &cancel_;
    auto& pool = handler().is_slow(request) ? state_.slow_pool : state_.pool;
    asio::post(pool, [self, request = std::move(request)] {
      auto answer = std::make_shared<Response>(self->call(request));
      asio::post(self->state_.io, [self, answer] {
        --self->state_.in_flight;
        self->stream_.socket().cancel();  // ends watch()
        self->budget_.cancel();
        self->send(std::move(*answer));
      });
    });
  }

  [[nodiscard]] Handler& handler() const {
    const Handlers& handlers = *state_.handlers;
    if (admitted_.area == Area::kApi) return handlers.api;
    return admitted_.area == Area::kTsp ? handlers.tsp : handlers.page;
  }

  Response call(const Request& request) {
    if (state_.ends()) return problem(503, "Ending", "the server ends");
    try {
      Response answer = handler().handle(request);
      if (answer.body.size() <= limits::kAnswerBytes) return answer;
      return problem(413, "Answer too large",
                     fmt::format("more than {} MiB; ask for less", limits::kAnswerBytes >> 20U));
    } catch (const std::exception& error) {
      return problem(500, "Our own fault", error.what());
    }
  }

  /// A client that goes away while its answer is made needs none.
  void watch() {
    auto self = this->shared_from_this();
    stream_.socket().async_wait(tcp::socket::wait_read, [self](beast::error_code error) {
      if (error) return;
      beast::error_code unknown;
      if (self->stream_.socket().available(unknown) == 0) self->cancel_ = true;
    });
  }

  /// An answer that takes too long to make is given up.
  void limit_time() {
    budget_.expires_after(limits::kQueryTime);
    auto self = this->shared_from_this();
    budget_.async_wait([self](beast::error_code error) {
      if (!error) self->cancel_ = true;
    });
  }

  void refuse(unsigned status) { send_last(problem(status, title_of(status), "")); }
  void fail(beast::error_code error) {
    const unsigned status = status_of(error);
    if (status != 0) refuse(status);
  }
  /// What follows on this connection cannot be trusted to be a request.
  void send_last(Response response) {
    keep_ = false;
    send(std::move(response));
  }

  void send(Response response) {
    answer_ = {};
    answer_.version(11);
    answer_.result(response.status);
    for (const auto& [name, value] : response.headers) answer_.insert(name, value);
    if (!response.content_type.empty()) {
      answer_.set(http::field::content_type, response.content_type);
    }
    set_common_headers(admitted_.origin, answer_);
    answer_.keep_alive(keep_ && !state_.ends());
    answer_.body() = std::move(response.body);
    if (response.status != 204) answer_.content_length(answer_.body().size());
    if (head_only_) answer_.body().clear();
    stream_.expires_after(limits::kWriteTime);
    auto self = this->shared_from_this();
    http::async_write(stream_, answer_,
                      [self](beast::error_code error, std::size_t) { self->on_sent(error); });
  }

  void on_sent(beast::error_code error) {
    if (!error && answer_.keep_alive()) {
      admitted_ = {};
      return read_head();
    }
    beast::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    if (!error) linger();
  }

  /// Bytes that were still under way would reset the connection before the answer is read.
  void linger() {
    stream_.expires_after(std::chrono::seconds{1});
    auto self = this->shared_from_this();
    stream_.async_read_some(asio::buffer(rest_), [self](beast::error_code error, std::size_t got) {
      self->thrown_away_ += got;
      if (!error && self->thrown_away_ < 4 * limits::kBodyBytes) self->linger();
    });
  }

  beast::tcp_stream stream_;
  asio::steady_timer budget_;
  State& state_;
  std::list<Waiting*>::iterator place_;  // among those who wait, or their end
  beast::flat_buffer buffer_{limits::kHeaderBytes + limits::kBodyBytes};
  std::optional<Parser> parser_;
  Admitted admitted_;
  Answer answer_;
  bool keep_ = false;
  bool head_only_ = false;
  std::atomic<bool> cancel_{false};
  std::array<char, 4096> rest_{};
  std::uint64_t thrown_away_ = 0;
};

}  // namespace

void HttpServer::State::accept() {
  acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
    if (ends()) return;
    if (!error && has_room()) {
      beast::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Connection<State>>(std::move(socket), *this)->read_head();
    }
    accept();
  });
}

void HttpServer::State::look_again(asio::steady_timer& timer) {
  timer.expires_after(kLookAgain);
  timer.async_wait([this, &timer](beast::error_code) {
    if (ends()) return io.stop();
    look_again(timer);
  });
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(std::uint16_t port) {
  auto state = std::make_unique<State>();
  beast::error_code error;
  const tcp::endpoint place(asio::ip::address_v4::loopback(), port);
  state->acceptor.open(place.protocol(), error);
  if (!error) state->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) state->acceptor.bind(place, error);
  if (!error) state->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error{ErrorCode::kIo, "cannot listen: " + error.message(),
                 fmt::format("127.0.0.1:{}", port), "another --port, or none for a free one"};
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

std::uint16_t HttpServer::port() const {
  beast::error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

void HttpServer::run(const Guard& guard, const Handlers& handlers,
                     const std::atomic<bool>* interrupt) {
  state_->guard = &guard;
  state_->handlers = &handlers;
  state_->interrupt = interrupt;
  asio::steady_timer timer(state_->io);
  state_->look_again(timer);
  state_->accept();
  state_->io.run();
  state_->stopping = true;
  state_->pool.join();
  state_->slow_pool.join();
}

void HttpServer::stop() { state_->stopping = true; }

}  // namespace vs::serve
