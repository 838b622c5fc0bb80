package localaws

import (
	"cmp"
	"net/url"
	"strconv"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// A gp3 volume of PostgreSQL is striped over four from 400 GiB on. What it has without
// asking, and may be asked for, depends on that:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
const stripedGiB = 400

// baseline is the IOPS and the throughput, in MiB/s, that a gp3 volume has at least.
func baseline(gib int) (iops, throughput int) {
	if gib < stripedGiB {
		return 3000, 125
	}
	return 12000, 500
}

// checkVolume refuses the IOPS and throughput that RDS refuses for a gp3 volume; current
// gives what the instance has now, by element.
func checkVolume(form url.Values, current func(element string) string) error {
	engine := cmp.Or(current("Engine"), form.Get("Engine"))
	if cmp.Or(form.Get("StorageType"), current("StorageType")) != "gp3" || engine != "postgres" {
		return nil
	}
	gib, _ := strconv.Atoi(cmp.Or(form.Get("AllocatedStorage"), current("AllocatedStorage")))
	if gib == 0 {
		return nil // moto says what is wrong with it
	}
	iops, throughput := baseline(gib)
	for _, asked := range []struct {
		parameter, name string
		least           int
	}{{"Iops", "iops", iops}, {"StorageThroughput", "storage throughput", throughput}} {
		value := form.Get(asked.parameter)
		switch n, err := strconv.Atoi(value); {
		case value == "":
		case gib < stripedGiB:
			return endpoint.Refuse("InvalidParameterCombination", "You can't specify IOPS or storage throughput for engine %s and a storage size less than %d.", engine, stripedGiB)
		case err != nil || n < asked.least:
			return endpoint.Refuse("InvalidParameterCombination", "Invalid %s value for engine name %s and storage type gp3: %s", asked.name, engine, value)
		}
	}
	return nil
}

// showVolume adds to a gp3 volume what it has without asking, which moto does not know.
func showVolume(instance *etree.Element) {
	gib, err := strconv.Atoi(endpoint.Text(instance, "AllocatedStorage"))
	if err != nil || endpoint.Text(instance, "StorageType") != "gp3" {
		return
	}
	iops, throughput := baseline(gib)
	for element, least := range map[string]int{"Iops": iops, "StorageThroughput": throughput} {
		if has, _ := strconv.Atoi(endpoint.Text(instance, element)); has < least {
			endpoint.Set(instance, element, strconv.Itoa(least))
		}
	}
}
