// Sums the revenue of each product from the events `order_completed` of payments.
//
// A third service in Go. It knows the published contract (docs/events.md) and nothing else. The sums
// lie in a Redis of its own: `HGETALL revenue` shows whole minor units (cents) for each product.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	stream    = "order_completed"
	group     = "revenue-go"
	eventType = "order.completed.v1"

	// Entries of one read, and of one call of countOrders.
	batch = 100
	// How long a read waits for a new entry. A signal is noticed after at most this time.
	block = 2 * time.Second
	// Longest wait for an answer. Longer than block, so that a waiting read does not count as a
	// broken connection.
	answerLimit = 10 * time.Second
	// Waits after failures in a row.
	firstWait, longestWait = 50 * time.Millisecond, 5 * time.Second
	// The most dead letters that are kept.
	maxDeadLetters = 10_000
)

var (
	money = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})\.[0-9]{2}$`)
	uuid  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// The effect of a batch: each order is counted if its `ce_id` was not counted before. Both writes of an
// order are one step, so a crash leaves both or neither. After a crash the batch is delivered again.
var countOrders = redis.NewScript(2, `
local counted = 0
for i = 1, #ARGV, 3 do
  local ce_id, product, minor = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('SISMEMBER', KEYS[1], ce_id) == 0 then
    redis.call('HINCRBY', KEYS[2], product, minor)
    redis.call('SADD', KEYS[1], ce_id)
    counted = counted + 1
  end
end
return counted
`)

type entry struct {
	id     string
	fields map[string]string
}

type consumer struct {
	// The store of payments, and the own store.
	streamURL, ownURL string
	name              string
	reclaimIdle       time.Duration

	stream, own redis.Conn
	reclaimAt   time.Time
}

func main() {
	idle, err := strconv.Atoi(setting("RECLAIM_IDLE_MS", "30000"))
	if err != nil || idle < 1 || idle > 999_999_999 {
		log.Fatal("RECLAIM_IDLE_MS is not a whole number from 1 to 999999999")
	}
	host, _ := os.Hostname()
	c := consumer{
		streamURL:   setting("PAYMENTS_REDIS_URL", ""),
		ownURL:      setting("REVENUE_REDIS_URL", ""),
		name:        setting("CONSUMER_NAME", host),
		reclaimIdle: time.Duration(idle) * time.Millisecond,
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	c.run(ctx)
	log.Print("stopped")
}

// run consumes until the process is to stop. A failure leaves pending entries, which are read again.
func (c *consumer) run(ctx context.Context) {
	wait := firstWait
	for ctx.Err() == nil {
		began := time.Now()
		err := c.consume(ctx)
		if err == nil {
			return
		}
		if time.Since(began) > longestWait {
			wait = firstWait
		}
		log.Printf("failure: %v", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + time.Duration(rand.Int63n(int64(wait)))):
		}
		if wait *= 2; wait > longestWait {
			wait = longestWait
		}
	}
}

// consume connects to both stores, and reads until it fails or the process is to stop.
func (c *consumer) consume(ctx context.Context) (err error) {
	if c.stream, err = dial(c.streamURL); err != nil {
		return err
	}
	defer c.stream.Close()
	if c.own, err = dial(c.ownURL); err != nil {
		return err
	}
	defer c.own.Close()
	if err := c.ensureGroup(); err != nil {
		return err
	}
	if err := c.settleOwnPending(ctx); err != nil {
		return err
	}
	log.Printf("reading %s as %s of %s", stream, c.name, group)
	for ctx.Err() == nil {
		if err := c.reclaim(ctx); err != nil {
			return err
		}
		entries, err := c.read("BLOCK", block.Milliseconds(), "STREAMS", stream, ">")
		if err != nil {
			return err
		}
		if err := c.settle(entries); err != nil {
			return err
		}
	}
	return nil
}

func dial(url string) (redis.Conn, error) {
	return redis.DialURL(url, redis.DialConnectTimeout(answerLimit),
		redis.DialReadTimeout(answerLimit), redis.DialWriteTimeout(answerLimit))
}

// ensureGroup makes the group at the beginning of the stream, so that it misses no entry.
func (c *consumer) ensureGroup() error {
	_, err := c.stream.Do("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

// settleOwnPending settles the entries that this consumer held when it died.
func (c *consumer) settleOwnPending(ctx context.Context) error {
	for ctx.Err() == nil {
		entries, err := c.read("STREAMS", stream, "0")
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := c.settle(entries); err != nil {
			return err
		}
	}
	return nil
}

// reclaim takes over the entries that a dead consumer of the group held for a while.
func (c *consumer) reclaim(ctx context.Context) error {
	if time.Now().Before(c.reclaimAt) {
		return nil
	}
	for cursor := "0-0"; ctx.Err() == nil; {
		answer, err := redis.Values(c.stream.Do("XAUTOCLAIM", stream, group, c.name,
			c.reclaimIdle.Milliseconds(), cursor, "COUNT", batch))
		if err != nil {
			return err
		}
		var claimed, trimmed []interface{}
		if _, err := redis.Scan(answer, &cursor, &claimed, &trimmed); err != nil {
			return err
		}
		if len(trimmed) > 0 {
			log.Printf("%d entries were trimmed before this group acknowledged them", len(trimmed))
		}
		entries, err := readEntries(claimed)
		if err != nil {
			return err
		}
		if err := c.settle(entries); err != nil {
			return err
		}
		if cursor == "0-0" {
			break
		}
	}
	c.reclaimAt = time.Now().Add(c.reclaimIdle)
	return nil
}

// read reads a batch: new entries, or entries that this consumer held before.
func (c *consumer) read(how ...interface{}) ([]entry, error) {
	args := append([]interface{}{"GROUP", group, c.name, "COUNT", batch}, how...)
	streams, err := redis.Values(c.stream.Do("XREADGROUP", args...))
	if errors.Is(err, redis.ErrNil) || err == nil && len(streams) == 0 {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	named, err := redis.Values(streams[0], nil)
	if err != nil || len(named) != 2 {
		return nil, fmt.Errorf("an answer without entries: %w", err)
	}
	entries, err := redis.Values(named[1], nil)
	if err != nil {
		return nil, err
	}
	return readEntries(entries)
}

func readEntries(values []interface{}) ([]entry, error) {
	var entries []entry
	for _, value := range values {
		pair, err := redis.Values(value, nil)
		if err != nil || len(pair) != 2 {
			return nil, fmt.Errorf("not an entry: %w", err)
		}
		id, err := redis.String(pair[0], nil)
		if err != nil {
			return nil, err
		}
		fields, err := redis.StringMap(pair[1], nil)
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return nil, err
		}
		entries = append(entries, entry{id, fields})
	}
	return entries, nil
}

// settle stores the effect of each entry first, and acknowledges the entries last.
func (c *consumer) settle(entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	orders := []interface{}{"seen", "revenue"}
	ack := []interface{}{stream, group}
	for _, e := range entries {
		ack = append(ack, e.id)
		order, err := readOrder(e.fields)
		if err == nil {
			orders = append(orders, order...)
		} else if err := c.park(e, err); err != nil {
			return err
		}
	}
	if len(orders) > 2 {
		counted, err := redis.Int(countOrders.Do(c.own, orders...))
		if err != nil {
			return err
		}
		log.Printf("counted %d of %d orders", counted, (len(orders)-2)/3)
	}
	_, err := c.stream.Do("XACK", ack...)
	return err
}

// park keeps an entry that cannot be read, with all its bytes, for a person.
func (c *consumer) park(e entry, reason error) error {
	log.Printf("parked %s: %v", e.id, reason)
	letter := redis.Args{"dead_letters", "MAXLEN", "~", maxDeadLetters, "*"}
	letter = letter.Add("dl_entry_id", e.id, "dl_reason", reason.Error()).AddFlat(e.fields)
	_, err := c.own.Do("XADD", letter...)
	return err
}

// readOrder reads the `ce_id`, the product, and the total in minor units. It ignores fields that it does
// not know.
func readOrder(fields map[string]string) ([]interface{}, error) {
	id, product, total := fields["ce_id"], fields["product_id"], fields["total"]
	switch {
	case len(fields) == 0:
		return nil, errors.New("the entry was trimmed before this group acknowledged it")
	case fields["ce_type"] != eventType:
		return nil, fmt.Errorf("unknown event type %q", fields["ce_type"])
	case id == "":
		return nil, errors.New("ce_id is missing")
	case !uuid.MatchString(product):
		return nil, fmt.Errorf("product_id is %q", product)
	case !money.MatchString(total):
		return nil, fmt.Errorf("total is %q", total)
	}
	minor, err := strconv.ParseInt(strings.Replace(total, ".", "", 1), 10, 64)
	return []interface{}{id, product, minor}, err
}

func setting(name, byDefault string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	if byDefault == "" {
		log.Fatalf("%s is not set", name)
	}
	return byDefault
}
