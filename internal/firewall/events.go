package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nfgenLen is the length of struct nfgenmsg, uapi/linux/netfilter/nfnetlink.h.
const nfgenLen = 4

// attrTable is the attribute that names the table in every message about a
// table or something in it: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and so on are
// all 1.
const attrTable = unix.NFTA_TABLE_NAME

// change is a transaction of anybody that touched our table.
type change struct {
	// lost says that events were lost: anything may have happened, and the
	// rest is unknown.
	lost bool
	gen  uint32
	// pid is the thread that committed it, comm its name.
	pid  uint32
	comm string
}

// openEvents joins the multicast group of nftables. nil means that there is
// none, and the table is looked at from time to time only.
func openEvents() *netlink.Conn {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil
	}
	_ = c.SetReadBuffer(socketBuffer)
	if err := c.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		c.Close()
		return nil
	}
	return c
}

// errNoEvents: changes cannot be watched.
var errNoEvents = errors.New("no nftables events")

// watch reads events until the context ends.
func (n *netfilter) watch(ctx context.Context, out chan<- change) error {
	if n.events == nil {
		return errNoEvents
	}
	if err := n.events.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = n.events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	f := eventFilter{table: n.table.Name, family: byte(n.table.Family)}
	for {
		msgs, err := n.events.Receive()
		var found []change
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			f.touched = false
			found = []change{{lost: true}}
		case errors.Is(err, os.ErrClosed):
			return err
		case err != nil:
			return err
		}
		for _, m := range msgs {
			if c, ok := f.next(m); ok {
				found = append(found, c)
			}
		}
		for _, c := range found {
			select {
			case out <- c:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// eventFilter finds the transactions that touched a table: the events of a
// transaction are followed by one with its generation.
type eventFilter struct {
	table   string
	family  byte
	touched bool
}

func (f *eventFilter) next(m netlink.Message) (change, bool) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.Data) < nfgenLen {
		return change{}, false
	}
	if c, ok := parseGeneration(m); ok {
		touched := f.touched
		f.touched = false
		return c, touched
	}
	if m.Data[0] != f.family || f.touched {
		return change{}, false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[nfgenLen:])
	if err != nil {
		return change{}, false
	}
	for ad.Next() {
		if ad.Type() == attrTable {
			f.touched = ad.String() == f.table
			break
		}
	}
	return change{}, false
}

// parseGeneration decodes the event at the end of a transaction, which is
// also the answer to a question for the generation.
func parseGeneration(m netlink.Message) (change, bool) {
	if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN || len(m.Data) < nfgenLen {
		return change{}, false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[nfgenLen:])
	if err != nil {
		return change{}, false
	}
	ad.ByteOrder = binary.BigEndian
	var c change
	var found bool
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_GEN_ID:
			c.gen, found = ad.Uint32(), true
		case unix.NFTA_GEN_PROC_PID:
			c.pid = ad.Uint32()
		case unix.NFTA_GEN_PROC_NAME:
			c.comm = strings.TrimRight(ad.String(), "\x00")
		}
	}
	return c, found && ad.Err() == nil
}
