package config

// entryKeywords are the named parts of an address and of a peer. In a line
// they are keepalived's words; as a table they are these keys.
func entryKeywords() []Keyword {
	address := fill(BlockAddress, Done, "", []Keyword{
		{
			Name: "address", Kind: KindString, Required: true, Example: `"192.0.2.10/24"`, Source: sourceArgument,
			Range: "ADDRESS or ADDRESS/LENGTH; the length is 32 (IPv4) or 128 (IPv6) unless given",
			Doc:   "The address.",
		},
		{
			Name: "dev", Kind: KindLink, Default: "<the interface of the instance>", Example: `"eth0"`,
			Doc: "The interface it goes to.",
		},
		{
			Name: "scope", Kind: KindString, Default: `"global"`, Range: `"global", "site", "link", "host", "nowhere" or a number from 0 to 255`,
			Doc: "How far the address is valid.",
		},
		{
			Name: "brd", Kind: KindString, Default: `"-"`, Range: `an IPv4 address, "+" for all host bits set or "-" for none`,
			Doc: "Broadcast address, IPv4 only.",
		},
		{
			Name: "label", Kind: KindString, Example: `"eth0:1"`, Range: "at most 15 characters",
			Doc: "Interface label, IPv4 only.",
		},
		{
			Name: "peer", Kind: KindString, Example: `"192.0.2.11/32"`, Range: "ADDRESS or ADDRESS/LENGTH of the same family",
			Doc: "The other end of a point-to-point address.",
		},
		{Name: "home", Kind: KindBool, Default: "false", Doc: "Kernel flag: home address, IPv6 only."},
		{Name: "dad", Kind: KindBool, Default: "false", Doc: "Do duplicate address detection, IPv6 only (keepalived's -nodad)."},
		{Name: "mngtmpaddr", Kind: KindBool, Default: "false", Doc: "Kernel flag: template for temporary addresses, IPv6 only."},
		{Name: "noprefixroute", Kind: KindBool, Default: "false", Doc: "Kernel flag: no route to the prefix."},
		{Name: "autojoin", Kind: KindBool, Default: "false", Doc: "Kernel flag: join the multicast group of the address."},
		{Name: "no_track", Kind: KindBool, Default: "false", Doc: "Ignore that another program removes the address."},
		{
			Name: "preferred_lft", Kind: KindString, Default: `<"forever", but "0s" for IPv6 with length 128>`, Example: `"forever"`,
			Range: `"forever" or whole seconds such as "30s", up to "4294967294s"`,
			Doc:   `How long it may be chosen as a source address, IPv6 only; "0s" means never.`,
		},
		trackGroupRow(),
	})
	notYet := later(BlockAddress, "VMAC", flags("use_vmac"))
	notYet = append(notYet, fill(BlockAddress, Refused, "", []Keyword{
		renamed("broadcast", "brd"),
		{Name: "nodad", Kind: KindBool, Fate: Refused, Reason: "write dad = true for duplicate address detection; it is off unless asked for"},
	})...)
	peer := fill(BlockPeer, Done, "", []Keyword{
		{
			Name: "address", Kind: KindAddr, Required: true, Example: `"192.0.2.2"`, Source: sourceArgument,
			Doc: "The address of the other router.",
		},
		{
			Name: "min_ttl", Kind: KindInt, Default: "0", Max: 255,
			Doc: "Drop adverts of this peer with a lower TTL; switches check_unicast_src on.",
		},
		{
			Name: "max_ttl", Kind: KindInt, Default: "255", Max: 255,
			Doc: "Drop adverts of this peer with a higher TTL; switches check_unicast_src on.",
		},
	})
	return append(append(address, notYet...), peer...)
}

// trackGroupRow is the row of track_group of a static item.
func trackGroupRow() Keyword {
	return Keyword{
		Name: "track_group", Kind: KindString, Range: "the name of a [[track_group]]", Example: `"T1"`,
		Doc: "The track group whose instances are in fault while this is gone; only for what is static.",
	}
}
